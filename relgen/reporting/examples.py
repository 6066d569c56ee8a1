"""Picks example sentences: the first of each set, for evenly spaced relations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from relgen.data import Sample, words
from relgen.reporting.data import Run, describe_arm, generation_of, is_part

RELATIONS = 4
SENTENCES = 3
QUOTED_WORDS = 6


Piece = tuple[str, str]
"""A part of a sentence, and its role: `head`, `tail`, or empty for text around the entities."""
SourceExamples = tuple[str, str, list[list[Piece]]]
"""The name of a set, its description, and its sentences for a relation."""


def evenly_spaced(labels: Sequence[str], count: int = RELATIONS) -> list[str]:
    """Return `count` evenly spaced labels, starting with the first; all if there are fewer."""
    count = min(count, len(labels))
    return [labels[index * len(labels) // count] for index in range(count)]


def pieces(sample: Sample) -> list[Piece]:
    """Split a sentence at its entities; of overlapping ones, what began last counts."""
    cut, position, opened = list[Piece](), 0, [""]
    for place, role, opening in sample.boundaries():
        cut.append((sample.text[position:place], opened[-1]))
        position = place
        if opening:
            opened.append(role)
        else:
            opened.remove(role)
    return [piece for piece in [*cut, (sample.text[position:], "")] if piece[0]]


def examples(run: Run, relations: int = RELATIONS) -> list[tuple[str, list[SourceExamples]]]:
    """Return relations, evenly spaced, and the first sentences of each set of the first seed.

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
        if "unlabelled" in arm.files and "unlabelled" not in sets and "human" in sets:
            sets["unlabelled"] = run.samples([arm.files["unlabelled"]])
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

    def shown(samples: Sequence[Sample], label: str) -> list[list[Piece]]:
        own = (sample for sample in samples if sample.relation == label)
        free = (sample for sample in own if hidden.isdisjoint(_word_runs(sample)))
        return [pieces(sample) for sample in islice(free, SENTENCES)]

    return [
        (label, [(name, describe_arm(name), shown(of, label)) for name, of in sets.items()])
        for label in evenly_spaced(positive, relations)
    ]


def _word_runs(sample: Sample) -> set[tuple[str, ...]]:
    """Return every `QUOTED_WORDS` consecutive words; all words of a shorter sentence."""
    found = words(sample.text)
    starts = range(max(1, len(found) - QUOTED_WORDS + 1))
    return {tuple(found[start : start + QUOTED_WORDS]) for start in starts}
