"""Takes over what was decided in an annotation tool, from a file that the tool exported.

Of the tasks of `exports`, what each annotator made of one becomes a decision of that reviewer:
accepted, changed, or rejected where the task was rejected (Prodigy, Argilla) or its relation
removed; without a relation before and after, no relation holds, if the schema has a label for that.
All other annotated relations are samples that a person wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from relgen.common import InputError, counted
from relgen.data import UNLABELLED, Entity, RecordChecks, Sample
from relgen.data.corpora import malformed
from relgen.review.annotations import (
    CORRECT,
    Annotation,
    annotations_of,
    read_annotated,
    read_records,
    sample_name,
    source_of,
)
from relgen.review.decisions import Decision, Results
from relgen.review.options import Tool
from relgen.review.session import Session

_WITHDRAWN = (
    "withdrawn, as the export no longer has them (one of all tasks brings those back that it has)"
)


def take_over(path: str | Path, session: Session) -> None:
    """Put a tool's decisions in the place of its earlier ones, and print how many they are.

    The earlier ones are those of the same project of Label Studio, the same annotators of Prodigy,
    and the same records of Argilla, since the exports of these two name no data set.
    Annotations that cannot be read, as with a relation without a label, are left out, and named on
    stderr. Nothing is taken over where others cannot be used.

    Raises:
        InputError: the file is of none of the tools or of other samples, or a decision cannot be
            used.
    """
    path = Path(path)
    tool, records = read_records(path)
    source = source_of(tool, records)
    try:
        with malformed(tool):
            others = _others(tool, records, session)
            given = list(annotations_of(tool, records))
    except InputError as error:
        raise error.at(path=path) from error
    own, counts = [one for one in given if one.task not in others], Counter[str]()
    found = read_annotated(path, tool, own, session.samples)
    stay, replaced = _parted(session.earlier(source), tool, records, given)
    results = _results(path, tool, replaced, found, session, counts)
    both = [*stay.decisions, *results.decisions], [*stay.added, *results.added]
    withdrawn = session.take_over(Results(source, *both))
    counts[_WITHDRAWN] = withdrawn
    counts["left out, as they cannot be read"] = len(own) - len(found)
    counts["left out, as their samples are not under review"] = len(given) - len(own)
    said = [counted(len(results.decisions), "decision")]
    if results.added:
        said.append(counted(len(results.added), "new sample"))
    said += [f"{number} {what}" for what, number in counts.items() if number]
    print(f"taken over from {path} ({tool}): {', '.join(said)}")


def _others(tool: Tool, records: Sequence[Mapping[str, Any]], session: Session) -> set[str]:
    """Return the ids in relgen's tasks that no sample under review has.

    Raises InputError where most are such ones, or no task is of a sample under review.
    """
    names = [sample_name(tool, record) for record in records]
    known = sum(name in session.samples for name in names)
    if not known or 2 * known < sum(name is not None for name in names):
        problem = f"of its {counted(len(names), 'task')}, {known} are of the samples under review"
        remedy = "give the samples whose tasks were exported; `relgen data convert` reads others"
        raise InputError(problem, remedy=remedy)
    return {name for name in names if name is not None} - session.samples.keys()


def _parted(
    earlier: Results,
    tool: Tool,
    records: Sequence[Mapping[str, Any]],
    given: Sequence[Annotation],
) -> tuple[Results, Results]:
    """Return what stays of earlier results, and what an export takes the place of."""
    people = {one.reviewer for one in given}
    tasks = {sample_name(tool, record) for record in records}

    def replaced(task: str, reviewer: str) -> bool:
        if tool == "argilla":
            return task in tasks
        return tool == "label-studio" or not people.isdisjoint(reviewer.split(", "))

    stay, gone = (Results(earlier.source, [], []) for _ in range(2))
    for decision in earlier.decisions:
        part = gone if replaced(decision.id, decision.reviewer) else stay
        part.decisions.append(decision)
    for sample in earlier.added:
        part = gone if replaced(sample.id, (sample.review or {})["reviewer"]) else stay
        part.added.append(sample)
    return stay, gone


def _results(
    path: Path,
    tool: Tool,
    own: Results,
    found: Sequence[tuple[Annotation, list[Sample]]],
    session: Session,
    counts: Counter[str],
) -> Results:
    """Return the decisions and the new samples, and count what is left out.

    Raises InputError, with a line for each, for those that cannot be used.
    """
    checks, decisions, added = RecordChecks(path), list[Decision](), list[Sample]()
    checks.line_remedy, checks.may_be_empty = CORRECT, True
    free, others = session.beside(own)
    tasks: dict[str, list[tuple[Annotation, list[Sample]]]] = {}
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
                    decisions.append(_decision(original, mine, tool, one, session.schema.negative))
                    session.check(decisions[-1])
                for sample in new[one.reviewer]:
                    session.schema.check_label(sample.relation)
        begin, first = (f"{task}-", 1) if original is None else (f"{task}/", 2)
        added += _added(begin, first, new, others, counts)
    checks.finish()
    return Results(own.source, decisions, added)


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
    return [sample.head.span, sample.tail.span]


def _decision(
    original: Sample, made: Sample | None, tool: Tool, given: Annotation, negative: str | None
) -> Decision:
    who, seconds = (original.id, original.text, given.reviewer), given.seconds
    if made is None:
        bare = original.relation == UNLABELLED and not given.rejected
        relation, ends = negative if bare else None, (original.head, original.tail)
        return Decision(*who, relation is not None, relation, *ends, seconds=seconds)
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
    others: Mapping[str, Sample],
    counts: Counter[str],
) -> Iterator[Sample]:
    """Yield the new samples that most annotators of a task have, with ids that are not taken."""
    versions: dict[Any, dict[str, Sample]] = {}
    for reviewer, samples in found.items():
        for one in samples:
            versions.setdefault((one.pair, one.relation), {})[reviewer] = one
    free = (name for n in count(first) if (name := f"{begin}{n}") not in others)
    there = {one.pair for one in others.values()}
    for of in versions.values():
        if next(iter(of.values())).pair in there:
            counts["new samples left out, as the same entities are a sample already"] += 1
        elif 2 * len(of) > len(found):
            review = {"reviewer": ", ".join(sorted(of)), "decision": "added"}
            yield replace(next(iter(of.values())), id=next(free), review=review)
        else:
            counts["new samples left out, as the annotators disagree"] += 1
