"""Reads what each annotator made of the tasks in a file that an annotation tool exported."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from relgen.common import (
    InputError,
    decode_json,
    read_json,
    read_lines,
    refuse_unprintable,
    text_hash,
)
from relgen.data import Entity, RecordChecks, Sample
from relgen.data.corpora import TASK_READERS, entity_at, malformed
from relgen.review.exports import REJECT, UNTYPED
from relgen.review.options import Tool

_KEYS: dict[Tool, set[str]] = {
    "label-studio": {"data", "annotations"},
    "prodigy": {"text", "answer"},
    "argilla": {"fields", "responses"},
}
_AS_JSON = "export as JSON: Label Studio's JSON, Prodigy's db-out, Argilla's records.to_json"
CORRECT = "correct it in the tool, and export again"
"""What to do about an annotation that cannot be used."""


class Annotation(NamedTuple):
    """An annotator's answer to a task, given in `seconds`; `record` is the tool's, of it alone."""

    task: str
    reviewer: str
    record: Mapping[str, Any]
    rejected: bool = False
    seconds: float = 0.0


def read_records(path: Path) -> tuple[Tool, list[dict[str, Any]]]:
    """Return the tool that wrote a file, and the file's records."""
    lines = [line for line in read_lines(path) if line.strip()]
    whole = bool(lines) and lines[0].lstrip().startswith("[")
    try:
        rows = read_json(path) if whole else [decode_json(line) for line in lines]
    except InputError as error:
        raise error.at(path=path) from error
    if not rows:
        raise InputError("no tasks are in this export", path=path, remedy="annotate some first")
    first = rows[0].keys() if all(isinstance(row, dict) for row in rows) else set()
    tool = next((name for name, known in _KEYS.items() if known <= first), None)
    if tool is None:
        raise InputError("this is not an export of one of these tools", path=path, remedy=_AS_JSON)
    return tool, list(rows)


def source_of(tool: Tool, records: Sequence[Mapping[str, Any]]) -> str:
    """Return what a later export replaces: results of the tool, or of a project of Label Studio."""
    project = records[0].get("project") if tool == "label-studio" else None
    return tool if project is None else f"{tool}:{project}"


def sample_name(tool: Tool, record: Mapping[str, Any]) -> str | None:
    """Return the id of the sample of which a task was made, if any."""
    if tool == "argilla":
        return str(record.get("id"))
    place = record.get("data" if tool == "label-studio" else "meta") or {}
    return None if place.get("relgen_id") is None else str(place["relgen_id"])


def annotations_of(tool: Tool, records: Sequence[Mapping[str, Any]]) -> Iterator[Annotation]:
    """Yield what each annotator accepted or rejected; of an annotator's own, the last."""
    found: dict[tuple[str, str], Annotation] = {}
    for record in records:
        for one in _OF_TASK[tool](record):
            refuse_unprintable(one.reviewer, "annotator")
            found[one.task, one.reviewer] = one
    yield from found.values()


def _label_studio(record: Mapping[str, Any]) -> Iterator[Annotation]:
    task = sample_name("label-studio", record)
    if task is None:
        task = source_of("label-studio", [record]) + f"-{record.get('id')}"
    each = [one for one in record["annotations"] if not one.get("was_cancelled")]
    # what somebody has marked as the truth counts alone
    for one in [one for one in each if one.get("ground_truth")] or each:
        who = one.get("completed_by")
        if isinstance(who, dict):
            who = who.get("email") or who.get("id")
        seconds = round(float(one.get("lead_time") or 0), 1)
        alone = {"data": record["data"], "annotations": [one]}
        yield Annotation(task, _reviewer("label-studio", who), alone, seconds=seconds)


def _prodigy(record: Mapping[str, Any]) -> Iterator[Annotation]:
    task = sample_name("prodigy", record) or f"prodigy-{text_hash(record['text'])[:12]}"
    who = record.get("_annotator_id") or record.get("_session_id")
    if (answer := record.get("answer")) in ("accept", "reject"):
        yield Annotation(task, _reviewer("prodigy", who), record, answer == "reject")


def _argilla(record: Mapping[str, Any]) -> Iterator[Annotation]:
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
            yield Annotation(str(record.get("id")), reviewer, alone, relation == REJECT)


def _reviewer(tool: Tool, who: Any) -> str:
    return tool if who is None else f"{tool}:{who}"


_OF_TASK = {"label-studio": _label_studio, "prodigy": _prodigy, "argilla": _argilla}


def read_annotated(
    path: Path, tool: Tool, given: Sequence[Annotation], ours: Collection[str]
) -> list[tuple[Annotation, list[Sample]]]:
    """Return the annotations that can be read, each with its samples; none of them rejects.

    Samples of our tasks have the whole text. The other annotations are named on stderr; raises
    InputError if there are no others.
    """
    checks, found = RecordChecks(path, skip_bad=True), []
    checks.line_remedy = CORRECT
    for one in given:
        before, samples, name = checks.skipped, list[Sample](), f"{one.task} ({one.reviewer})"
        if tool == "argilla" and not one.rejected:
            with checks.record(name), malformed(tool):
                samples = [_argilla_sample(one.record)]
        elif not one.rejected:
            whole = one.task in ours
            read = TASK_READERS[tool].read_task(one.record, name, checks, whole=whole)
            samples = [_untyped(sample) for sample in read]
        if checks.skipped == before:
            found.append((one, samples))
    if checks.problems and not found:
        raise checks.problems[0]
    said = [
        *(f"{error}; left out" for error in checks.problems),
        *(f"{path}: {n}" for n in checks.noted()),
    ]
    if others := checks.skipped - len(checks.problems):
        said.append(f"{path}: and {others} more left out")
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
    return entity_at(text, span["start"], span["end"], unit="utf16", field=span["label"])[0]


def _untyped(sample: Sample) -> Sample:
    """Return a sample without the type that stands for none in the tools."""
    head, tail = (
        replace(one, type=None) if one.type == UNTYPED else one
        for one in (sample.head, sample.tail)
    )
    return replace(sample, head=head, tail=tail)
