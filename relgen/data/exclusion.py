"""Samples that others must not repeat, such as a test set: by id, by text, or as a near copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from relgen.data.overlap import NEAR_COPY, OverlapIndex, context_words
from relgen.data.samples import Sample
from relgen.data.text import normalised


class Exclusion:
    """Finds samples that repeat one of the excluded samples.

    Args:
        samples: the excluded ones.
        overlap: the overlap of words outside the entities from which a sample is a near copy; None
            allows near copies.
    """

    def __init__(self, samples: Iterable[Sample], overlap: float | None = NEAR_COPY) -> None:
        samples = list(samples)
        self._ids = {sample.id for sample in samples}
        self._texts = {normalised(sample.text) for sample in samples}
        near = samples if overlap is not None else []
        self._words = OverlapIndex(overlap or NEAR_COPY, map(context_words, near))

    def reason(self, sample: Sample) -> Literal["id", "sentence", "near_copy"] | None:
        """Return what a sample shares with an excluded one; None if it may be used."""
        if sample.id in self._ids:
            return "id"
        if normalised(sample.text) in self._texts:
            return "sentence"
        return "near_copy" if self._words.has_near(context_words(sample)) else None
