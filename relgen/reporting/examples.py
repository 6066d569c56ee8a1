"""Picks example sentences: the first of each set, for evenly spaced relations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from relgen.data import Sample
from relgen.evaluation import words
from relgen.reporting.data import Run
from relgen.reporting.naming import describe, generation_of, is_part

RELATIONS = 4
SENTENCES = 3
QUOTED_WORDS = 6


@dataclass(frozen=True)
class Piece:
    """A part of a sentence: an entity, or text around entities."""

    text: str
    role: Literal["head", "tail", ""] = ""


@dataclass(frozen=True)
class Source:
    """The sentences of one set for a relation."""

    name: str
    hint: str
    sentences: list[list[Piece]]


@dataclass(frozen=True)
class Example:
    """A relation and the sentences of every set for it."""

    relation: str
    sources: list[Source]


def evenly_spaced(labels: Sequence[str], count: int = RELATIONS) -> list[str]:
    """Return `count` evenly spaced labels, starting with the first; all if there are fewer."""
    if len(labels) <= count:
        return list(labels)
    return [labels[index * len(labels) // count] for index in range(count)]


def pieces(sample: Sample) -> list[Piece]:
    """Split a sentence at its entities."""
    cut, position = [], 0
    roles: list[tuple[Literal["head", "tail"], int, int]] = [
        ("head", sample.head.start, sample.head.end),
        ("tail", sample.tail.start, sample.tail.end),
    ]
    for role, start, end in sorted(roles, key=lambda entry: entry[1]):
        if position < start:
            cut.append(Piece(sample.text[position:start]))
        cut.append(Piece(sample.text[start:end], role))
        position = end
    if position < len(sample.text):
        cut.append(Piece(sample.text[position:]))
    return cut


def examples(run: Run, relations: int = RELATIONS) -> list[Example]:
    """Return the first sentences of each set of the first seed, for evenly spaced relations.

    Human sentences are included only if the run allows it; otherwise, generated ones that share
    `QUOTED_WORDS` consecutive words with a human one are excluded as well.
    """
    sets: dict[str, list[Sample]] = {}
    first = run.arms[0].seed
    hidden: set[tuple[str, ...]] = set()
    for arm in (arm for arm in run.arms if arm.seed == first):
        human = arm.files.get("human")
        if human and run.data.get("show_human_sentences"):
            if "human" not in sets:
                sets = {"human": run.samples([human]), **sets}
        elif human and not hidden:
            hidden = {gram for sample in run.samples([human]) for gram in _word_runs(sample)}
        name = generation_of(arm.arm)
        files = [arm.files["labelled"]] if "labelled" in arm.files else arm.files.get("generated")
        if name and not is_part(name) and name not in sets and files:
            sets[name] = run.samples(files)
    if not any(name != "human" for name in sets):
        return []
    present = dict.fromkeys(sample.relation for of in sets.values() for sample in of)
    labels = run.data.get("labels") or list(present)
    negative = run.data.get("negative")
    positive = [label for label in labels if label in present and label != negative]
    chosen = evenly_spaced(positive, relations)
    return [
        Example(label, [_source(name, of, label, hidden) for name, of in sets.items()])
        for label in chosen
    ]


def _word_runs(sample: Sample) -> set[tuple[str, ...]]:
    """Return every `QUOTED_WORDS` consecutive words; all words of a shorter sentence."""
    found = words(sample.text)
    starts = range(max(1, len(found) - QUOTED_WORDS + 1))
    return {tuple(found[start : start + QUOTED_WORDS]) for start in starts}


def _source(
    name: str, samples: Sequence[Sample], relation: str, hidden: set[tuple[str, ...]]
) -> Source:
    own = (sample for sample in samples if sample.relation == relation)
    free = (sample for sample in own if hidden.isdisjoint(_word_runs(sample)))
    return Source(name, describe(name), [pieces(sample) for sample in islice(free, SENTENCES)])
