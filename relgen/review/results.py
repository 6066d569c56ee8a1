"""Takes over what was decided in an annotation tool, from a file that the tool exported.

Of the tasks of `exports`, what each annotator made of one becomes a decision of that reviewer:
accepted, changed, or rejected where the task was rejected (Prodigy, Argilla) or its relation
removed (Label Studio). All other annotated relations are samples that a person wrote.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from relgen.common import (
    InputError,
    counted,
    decode_json,
    read_json,
    read_lines,
    refuse_unprintable,
    text_hash,
)
from relgen.data import Entity, RecordChecks, Sample
from relgen.data.corpora import TASK_READERS, in_characters, malformed
from relgen.review.decisions import Decision, Results
from relgen.review.exports import REJECT, UNTYPED
from relgen.review.options import Tool
from relgen.review.session import Session

_KEYS: dict[Tool, set[str]] = {
    "label-studio": {"data", "annotations"},
    "prodigy": {"text", "answer"},
    "argilla": {"fields", "responses"},
}
_AS_JSON = "export as JSON: Label Studio's JSON, Prodigy's db-out, Argilla's records.to_json"
_LINE_REMEDY = "correct it in the tool, and export again"
_MOST_NAMED = 10


class _Annotation(NamedTuple):
    """What an annotator made of a task, in `seconds`, as the tool's record of this alone."""

    task: str
    reviewer: str
    record: Mapping[str, Any]
    rejected: bool = False
    seconds: float = 0.0


def take_over(path: str | Path, session: Session) -> None:
    """Put a tool's decisions in the place of its earlier ones, and print how many they are.

    Annotations that cannot be read, as with a relation without a label, are left out, and named on
    stderr. Nothing is taken over where others cannot be used.

    Raises:
        InputError: the file is of none of the tools or of other samples, or a decision cannot be
            used.
    """
    path = Path(path)
    tool, records = _records(path)
    source = _source(tool, records)
    try:
        with malformed(tool):
            others = _others(tool, records, session)
            given = list(_annotations(tool, records))
    except InputError as error:
        raise error.at(path=path) from error
    own, counts = [one for one in given if one.task not in others], Counter[str]()
    found = _read(path, tool, own, session)
    results = _results(path, tool, source, found, session, counts)
    counts["withdrawn, as the export no longer has them"] = session.take_over(results)
    counts["left out, as they cannot be read"] = len(own) - len(found)
    counts["left out, as their samples are not under review"] = len(given) - len(own)
    said = [counted(len(results.decisions), "decision")]
    if results.added:
        said.append(counted(len(results.added), "new sample"))
    said += [f"{number} {what}" for what, number in counts.items() if number]
    print(f"taken over from {path} ({tool}): {', '.join(said)}")


def _records(path: Path) -> tuple[Tool, list[dict[str, Any]]]:
    """Return the tool that wrote a file, and the file's records."""
    lines = [line for line in read_lines(path) if line.strip()]
    whole = bool(lines) and lines[0].lstrip().startswith("[")
    rows = read_json(path) if whole else [decode_json(line) for line in lines]
    first = rows[0].keys() if rows and all(isinstance(row, dict) for row in rows) else set()
    tool = next((name for name, known in _KEYS.items() if known <= first), None)
    if tool is None:
        raise InputError("this is not an export of one of these tools", path=path, remedy=_AS_JSON)
    return tool, list(rows)


def _source(tool: Tool, records: Sequence[Mapping[str, Any]]) -> str:
    """Return what a later export replaces: results of the tool, or of a project of Label Studio."""
    project = records[0].get("project") if tool == "label-studio" else None
    return tool if project is None else f"{tool}:{project}"


def _name(tool: Tool, record: Mapping[str, Any]) -> str | None:
    """Return the id of the sample of which a task was made, if any."""
    if tool == "argilla":
        return str(record.get("id"))
    place = record.get("data" if tool == "label-studio" else "meta") or {}
    return None if place.get("relgen_id") is None else str(place["relgen_id"])


def _others(tool: Tool, records: Sequence[Mapping[str, Any]], session: Session) -> set[str]:
    """Return the ids in relgen's tasks that no sample under review has.

    Raises InputError where most are such ones, or no task is of a sample under review.
    """
    names = [_name(tool, record) for record in records]
    known = sum(name in session.samples for name in names)
    if not known or 2 * known < sum(name is not None for name in names):
        problem = f"of its {counted(len(names), 'task')}, {known} are of the samples under review"
        remedy = "give the samples whose tasks were exported; `relgen data convert` reads others"
        raise InputError(problem, remedy=remedy)
    return {name for name in names if name is not None} - session.samples.keys()


def _annotations(tool: Tool, records: Sequence[Mapping[str, Any]]) -> Iterator[_Annotation]:
    """Yield what each annotator accepted or rejected; of an annotator's own, the last."""
    found: dict[tuple[str, str], _Annotation] = {}
    for record in records:
        for one in _OF_TASK[tool](record):
            refuse_unprintable(one.reviewer, "annotator")
            found[one.task, one.reviewer] = one
    yield from found.values()


def _label_studio(record: Mapping[str, Any]) -> Iterator[_Annotation]:
    task = _name("label-studio", record)
    if task is None:
        task = _source("label-studio", [record]) + f"-{record.get('id')}"
    each = [one for one in record["annotations"] if not one.get("was_cancelled")]
    # what somebody has marked as the truth counts alone
    for one in [one for one in each if one.get("ground_truth")] or each:
        who = one.get("completed_by")
        if isinstance(who, dict):
            who = who.get("email") or who.get("id")
        seconds = round(float(one.get("lead_time") or 0), 1)
        alone = {"data": record["data"], "annotations": [one]}
        yield _Annotation(task, _reviewer("label-studio", who), alone, seconds=seconds)


def _prodigy(record: Mapping[str, Any]) -> Iterator[_Annotation]:
    task = _name("prodigy", record) or f"prodigy-{text_hash(record['text'])[:12]}"
    who = record.get("_annotator_id") or record.get("_session_id")
    if (answer := record.get("answer")) in ("accept", "reject"):
        yield _Annotation(task, _reviewer("prodigy", who), record, answer == "reject")


def _argilla(record: Mapping[str, Any]) -> Iterator[_Annotation]:
    """Yield the answers to a completed record.

    Of others, whose answers are drafts or discarded, the export does not say which.
    """
    if record.get("status", "completed") != "completed":
        return
    answers: dict[str, dict[str, Any]] = {}
    for question, given in (record.get("responses") or {}).items():
        for answer in given:
            answers.setdefault(answer.get("user_id"), {})[question] = answer["value"]
    for who, each in answers.items():
        if (relation := each.get("relation")) is not None:
            alone = {**record, "responses": each}
            reviewer = _reviewer("argilla", who)
            yield _Annotation(str(record.get("id")), reviewer, alone, relation == REJECT)


def _reviewer(tool: Tool, who: Any) -> str:
    return tool if who is None else f"{tool}:{who}"


_OF_TASK = {"label-studio": _label_studio, "prodigy": _prodigy, "argilla": _argilla}


def _read(
    path: Path, tool: Tool, given: Sequence[_Annotation], session: Session
) -> list[tuple[_Annotation, list[Sample]]]:
    """Return the annotations that can be read, each with its samples; none of them rejects.

    Raises InputError if there are others only.
    """
    checks, found = RecordChecks(path, skip_bad=True), []
    checks.line_remedy = _LINE_REMEDY
    for one in given:
        before, samples, name = checks.skipped, list[Sample](), f"{one.task} ({one.reviewer})"
        if tool == "argilla" and not one.rejected:
            with checks.record(name), malformed(tool):
                samples = [_argilla_sample(one.record)]
        elif not one.rejected:
            whole = one.task in session.samples
            read = TASK_READERS[tool].read_task(one.record, name, checks, whole=whole)
            samples = [_untyped(sample) for sample in read]
        if checks.skipped == before:
            found.append((one, samples))
    if checks.problems and not found:
        raise checks.problems[0]
    named = checks.problems[:_MOST_NAMED]
    said = [*(f"{error}; left out" for error in named), *(f"{path}: {n}" for n in checks.noted())]
    if len(checks.problems) > _MOST_NAMED:
        said.append(f"{path}: and {checks.skipped - _MOST_NAMED} more left out")
    for line in said:
        print(f"warning: {line}", file=sys.stderr)
    return found


def _argilla_sample(record: Mapping[str, Any]) -> Sample:
    """Return what an annotator made of a record, whose `responses` are of this one alone."""
    text, answers = record["fields"]["text"], record["responses"]
    spans = {span["label"]: span for span in answers.get("entities") or []}
    if spans.keys() != {"head", "tail"}:
        problem = "needs a head and a tail"
        raise InputError(problem, field="entities", value=sorted(spans))
    head, tail = (_argilla_entity(text, spans[role]) for role in ("head", "tail"))
    return Sample(str(record["id"]), text, head, tail, answers["relation"])


def _argilla_entity(text: str, span: Mapping[str, Any]) -> Entity:
    """Return an entity that was marked in Argilla's page, which counts UTF-16 units."""
    place = in_characters(text, "utf16", span["start"], span["end"])
    if place is None:
        value = [span["start"], span["end"]]
        raise InputError("no place of the text in UTF-16 units", field=span["label"], value=value)
    return Entity(*place)


def _untyped(sample: Sample) -> Sample:
    """Return a sample without the type that stands for none in the tools."""
    head, tail = (
        replace(one, type=None) if one.type == UNTYPED else one
        for one in (sample.head, sample.tail)
    )
    return replace(sample, head=head, tail=tail)


def _results(
    path: Path,
    tool: Tool,
    source: str,
    found: Sequence[tuple[_Annotation, list[Sample]]],
    session: Session,
    counts: Counter[str],
) -> Results:
    """Return the decisions and the new samples, and count what is left out.

    Raises InputError, with a line for each, for those that cannot be used.
    """
    checks, decisions, added = RecordChecks(path), list[Decision](), list[Sample]()
    checks.line_remedy, checks.may_be_empty = _LINE_REMEDY, True
    free, taken = session.beside(source)
    tasks: dict[str, list[tuple[_Annotation, list[Sample]]]] = {}
    for pair in found:
        tasks.setdefault(pair[0].task, []).append(pair)
    for task, each in tasks.items():
        original = session.samples.get(task)
        if original is not None and task not in free:
            counts["left out, as others had decided before"] += len(each)
            continue
        new: dict[str, list[Sample]] = {}
        for one, samples in each:
            with checks.record(task):
                new[one.reviewer] = [replace(sample, group=task) for sample in samples]
                if original is not None:
                    mine, new[one.reviewer] = _chosen(original, samples)
                    decisions.append(_decision(original, mine, tool, one))
                    session.check(decisions[-1])
                for sample in new[one.reviewer]:
                    session.schema.check_label(sample.relation)
        begin, first = (f"{task}-", 1) if original is None else (f"{task}/", 2)
        added += _added(begin, first, new, taken, counts)
    checks.finish()
    return Results(source, decisions, added)


def _chosen(original: Sample, found: Sequence[Sample]) -> tuple[Sample | None, list[Sample]]:
    """Return the sample that is the original one, and new ones of its text.

    It is the one with the same pair of entities, or else the first.
    """
    if others := [sample.text for sample in found if sample.text != original.text]:
        problem, remedy = "the text differs from the sample's", "export the tasks again"
        raise InputError(problem, field="text", value=others[0], remedy=remedy)
    ordered = sorted(found, key=lambda one: sorted(_spans(one)) != sorted(_spans(original)))
    new = [replace(one, group=original.group, source=original.source) for one in ordered[1:]]
    return next(iter(ordered), None), new


def _spans(sample: Sample) -> list[tuple[int, int]]:
    return [(entity.start, entity.end) for entity in (sample.head, sample.tail)]


def _decision(original: Sample, made: Sample | None, tool: Tool, given: _Annotation) -> Decision:
    who, seconds = (original.id, given.reviewer), given.seconds
    if made is None:
        return Decision(*who, False, None, original.head, original.tail, seconds=seconds)
    head, tail = made.head, made.tail
    if tool == "argilla":  # which knows no types
        head, tail = (_typed_as(entity, original) for entity in (head, tail))
    return Decision(*who, True, made.relation, head, tail, seconds=seconds)


def _typed_as(entity: Entity, original: Sample) -> Entity:
    """Return an entity with the type of the sample's entity that it overlaps, if any."""
    kinds = (
        each.type
        for each in (original.head, original.tail)
        if entity.start < each.end and each.start < entity.end
    )
    return replace(entity, type=next(kinds, None))


def _added(
    begin: str,
    first: int,
    found: Mapping[str, list[Sample]],
    taken: set[str],
    counts: Counter[str],
) -> Iterator[Sample]:
    """Yield the new samples that most annotators of a task have, with ids that are not taken."""
    versions: dict[Any, dict[str, Sample]] = {}
    for reviewer, samples in found.items():
        for one in samples:
            versions.setdefault((one.text, one.relation, *_spans(one)), {})[reviewer] = one
    free = (name for n in count(first) if (name := f"{begin}{n}") not in taken)
    for of in versions.values():
        if 2 * len(of) > len(found):
            review = {"reviewer": ", ".join(sorted(of)), "decision": "added"}
            yield replace(next(iter(of.values())), id=next(free), review=review)
        else:
            counts["new samples left out, as the annotators disagree"] += 1
