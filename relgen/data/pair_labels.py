"""Counts pairs of entities that have several labels in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from relgen.common import statement
from relgen.data.samples import UNLABELLED, Sample

_SHOWN = 3


class PairLabels:
    """Remembers the labels of each pair, in about 100 bytes.

    Args:
        samples: the first to `add`.
        negative: the label of pairs without a relation, if it is known.
    """

    def __init__(self, samples: Iterable[Sample] = (), negative: str | None = None) -> None:
        self._negative = negative
        self._labels: dict[int, tuple[str, ...]] = {}
        self._alike: dict[tuple[str, ...], tuple[str, ...]] = {}  # each set of labels is kept once
        self._first = ""
        for sample in samples:
            self.add(sample)

    def add(self, sample: Sample) -> None:
        pair, label = hash(sample.pair), sample.relation
        before = self._labels.get(pair, ())
        if label not in (*before, UNLABELLED):
            labels = tuple(sorted((*before, label)))
            self._labels[pair] = self._alike.setdefault(labels, labels)
            if before:
                self._first = self._first or sample.id

    def warnings(self) -> list[str]:
        """Return what is to be said of pairs with several labels, the contradictions first."""
        found = Counter(labels for labels in self._labels.values() if len(labels) > 1)
        if not found:
            return []
        ordered = sorted(found, key=lambda one: (self._negative not in one, -found[one], one))
        kinds = [f"{' and '.join(labels)} ({found[labels]})" for labels in ordered[:_SHOWN]]
        more = [f"{len(found) - _SHOWN} other combinations"] if len(found) > _SHOWN else []
        number = statement(found.total(), "pair", "have")
        return [f"{number} several labels: {', '.join([*kinds, *more])}; the first: {self._first}"]
