"""Takes over what was decided in an annotation tool, from a file that the tool exported.

Tasks of `exports` become decisions on their samples: accepted, changed, or rejected where the task
was rejected (Prodigy, Argilla) or its relation removed (Label Studio). All other annotated
relations are samples that a person wrote.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from relgen.common import InputError, decode_json, read_json, read_lines
from relgen.data import Entity, RecordChecks, Sample
from relgen.data.corpora import FORMATS, ReadOptions, in_characters, malformed
from relgen.review.decisions import ConflictError, Decision
from relgen.review.exports import REJECT, UNTYPED
from relgen.review.options import Tool
from relgen.review.session import Session

_FORMS: dict[Tool, str] = {"label-studio": "labelstudio", "prodigy": "prodigy"}
_KEYS: dict[Tool, set[str]] = {
    "label-studio": {"data", "annotations"},
    "prodigy": {"text", "answer"},
    "argilla": {"fields", "responses"},
}
_AS_JSON = "export as JSON: Label Studio's JSON, Prodigy's db-out, Argilla's records.to_json"


class _Found(NamedTuple):
    """The tasks of a file that somebody has decided on: by id, the samples that are in each.

    `seconds` are those of a task, where the tool exports them.
    """

    tool: Tool
    tasks: dict[str, list[Sample]]
    seconds: dict[str, float]


def take_over(path: str | Path, session: Session) -> None:
    """Add a tool's decisions to a review, and print how many are taken over.

    The reviewer is the tool's name. Read again, a file replaces what it said before.

    Raises:
        InputError: the file is of none of the tools, or a decision cannot be used.
    """
    tool, tasks, seconds = _read(Path(path))
    counts = Counter[str]()
    for name, found in tasks.items():
        try:
            original, others = session.samples.get(name), found
            if original is not None and original.review is not None:
                counts["decisions left out, since others had decided before"] += 1
                continue
            if original is not None:
                mine, others = _chosen(original, found)
                taken = seconds.get(name, 0.0)
                session.decide(replace(_decision(original, mine, tool), seconds=taken))
                counts["decisions"] += 1
            for sample in others:
                session.add(replace(sample, review={"reviewer": tool, "decision": "added"}))
                counts["new samples"] += 1
        except ConflictError:
            counts["decisions left out, since others had decided before"] += 1
        except InputError as error:
            problem = f"{name}: {error.problem}"
            raise InputError(
                problem, path=path, field=error.field, value=error.value, remedy=error.remedy
            ) from error
    said = ", ".join(f"{number} {what}" for what, number in counts.items()) or "nothing"
    print(f"taken over from {path} ({tool}): {said}")


def _read(path: Path) -> _Found:
    records = _records(path)
    keys = records[0].keys() if records else set()
    tool = next((name for name, known in _KEYS.items() if known <= keys), None)
    if tool is None:
        raise InputError("this is not an export of one of these tools", path=path, remedy=_AS_JSON)
    try:
        with malformed(tool):
            if tool == "argilla":
                return _Found(tool, dict(_argilla(records, path)), {})
            seconds = dict(_decided(tool, records))
            tasks: dict[str, list[Sample]] = {name: [] for name in seconds}
    except InputError as error:
        raise error.at(path=path) from error
    # those that are all rejected give no sample, which is no error here
    checks = RecordChecks(path)
    for sample in FORMATS[_FORMS[tool]].read(path, checks, ReadOptions()):
        entities = [
            replace(entity, type=None) if entity.type == UNTYPED else entity
            for entity in (sample.head, sample.tail)
        ]
        made = replace(sample, head=entities[0], tail=entities[1])
        tasks.setdefault(sample.group or sample.id, []).append(made)
    if checks.problems:
        checks.finish()
    for note in checks.noted():
        print(f"warning: {path}: {note}", file=sys.stderr)
    return _Found(tool, tasks, seconds)


def _records(path: Path) -> list[dict[str, Any]]:
    lines = [line for line in read_lines(path) if line.strip()]
    whole = bool(lines) and lines[0].lstrip().startswith("[")
    rows = read_json(path) if whole else [decode_json(line) for line in lines]
    if not all(isinstance(row, dict) for row in rows):
        raise InputError("this is not an export of one of these tools", path=path, remedy=_AS_JSON)
    return list(rows)


def _decided(tool: Tool, records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """Yield the ids of tasks that somebody has accepted or rejected, and their known seconds."""
    for record in records:
        if tool == "prodigy":
            name = (record.get("meta") or {}).get("relgen_id")
            done, seconds = record.get("answer") in ("accept", "reject"), 0.0
        else:
            name = (record.get("data") or {}).get("relgen_id")
            each = record.get("annotations") or []
            done = any(not one.get("was_cancelled") for one in each)
            seconds = sum(float(one.get("lead_time") or 0) for one in each)
        if name is not None and done:
            yield str(name), round(seconds, 1)


def _argilla(
    records: Sequence[Mapping[str, Any]], path: Path
) -> Iterator[tuple[str, list[Sample]]]:
    """Yield the completed records; the first answer to each question counts.

    Of others, whose answers are drafts or discarded, the export does not say which.
    """
    for record in records:
        if record.get("status", "completed") != "completed":
            continue
        name, text = str(record.get("id")), (record.get("fields") or {}).get("text")
        answers = {
            question: given[0]["value"]
            for question, given in (record.get("responses") or {}).items()
            if given
        }
        if "relation" not in answers:
            continue
        if answers["relation"] == REJECT:
            yield name, []
            continue
        spans = {span["label"]: span for span in answers.get("entities") or []}
        if not isinstance(text, str) or spans.keys() != {"head", "tail"}:
            problem = "needs a text, a head and a tail"
            raise InputError(problem, path=path, field=name, value=sorted(spans))
        head, tail = (_argilla_entity(text, spans[role]) for role in ("head", "tail"))
        yield name, [Sample(name, text, head, tail, answers["relation"])]


def _argilla_entity(text: str, span: Mapping[str, Any]) -> Entity:
    """Return an entity that was marked in Argilla's page, which counts UTF-16 units."""
    place = in_characters(text, "utf16", span["start"], span["end"])
    if place is None:
        value = [span["start"], span["end"]]
        raise InputError("no place of the text in UTF-16 units", field=span["label"], value=value)
    return Entity(*place)


def _chosen(original: Sample, found: Sequence[Sample]) -> tuple[Sample | None, list[Sample]]:
    """Return the sample that is the original one, in its text, and new ones of that sentence.

    It is the one with the same pair of entities, or else the first.
    """
    placed = [_in_text(original, sample) for sample in found]
    pair = [(entity.start, entity.end) for entity in (original.head, original.tail)]

    def differs(sample: Sample) -> bool:
        mine = [(entity.start, entity.end) for entity in (sample.head, sample.tail)]
        return sorted(mine) != sorted(pair)

    ordered = sorted(placed, key=differs)
    new = [
        replace(other, id=f"{original.id}/{number}", source=original.source)
        for number, other in enumerate(ordered[1:], start=2)
    ]
    return next(iter(ordered), None), new


def _in_text(original: Sample, sample: Sample) -> Sample:
    """Return a sample of some sentences of a text with the whole text."""
    if original.text.count(sample.text) != 1:
        problem, remedy = "the text differs from the sample's", "export the tasks again"
        raise InputError(problem, field="text", value=sample.text, remedy=remedy)
    begin = original.text.index(sample.text)
    head, tail = sample.head.counted_from(-begin), sample.tail.counted_from(-begin)
    return replace(sample, text=original.text, head=head, tail=tail, group=original.group)


def _decision(original: Sample, made: Sample | None, tool: Tool) -> Decision:
    if made is None:
        return Decision(original.id, tool, False, None, original.head, original.tail)
    head, tail = made.head, made.tail
    if tool == "argilla":  # which knows no types
        head, tail = (_typed_as(entity, original) for entity in (head, tail))
    return Decision(original.id, tool, True, made.relation, head, tail)


def _typed_as(entity: Entity, original: Sample) -> Entity:
    """Return an entity with the type of the sample's entity that it overlaps, if any."""
    kinds = (
        each.type
        for each in (original.head, original.tail)
        if entity.start < each.end and each.start < entity.end
    )
    return replace(entity, type=next(kinds, None))
