"""The order in which sentences are reviewed: the most uncertain first, and different ones."""

from __future__ import annotations

from collections.abc import Sequence

from relgen.data import OverlapIndex, Sample, context_words

_ALIKE = 0.5  # the overlap of words outside the entities from which sentences are alike
_MOST = 20
"""Sentences alike that are told apart: each takes another pass over those that are left."""


def in_review_order(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples that nobody has reviewed, the most valuable first.

    The uncertainty of one that is like others before it counts half, a third and so on: who has
    decided on those knows what is read wrongly in it. From the 20th on they count alike. Without
    `scores`, the order stays.
    """
    open_ones = [sample for sample in samples if sample.review is None]
    ordered = sorted(open_ones, key=uncertainty, reverse=True)
    values: dict[int, float] = {}
    places, before = list(range(len(ordered))), 0
    while places:
        before += 1
        index, later = OverlapIndex(_ALIKE), []
        for place in places:
            words, value = context_words(ordered[place]), uncertainty(ordered[place])
            if value and before < _MOST and index.has_near(words):
                later.append(place)
            else:
                index.add(words)
                values[place] = value / before
        places = later
    return [ordered[place] for place in sorted(values, key=lambda one: (-values[one], one))]


def uncertainty(sample: Sample) -> float:
    """Return 1 minus the margin between the two most probable relations; 0 without `scores`."""
    if not sample.scores:
        return 0.0
    total = sum(sample.scores.values())
    first, second = sorted([0.0, *sample.scores.values()])[:-3:-1]
    return 1 - (first - second) / total
