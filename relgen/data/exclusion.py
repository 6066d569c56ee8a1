"""Samples that others must not repeat, such as a test set: by id, sentence, or as a near copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from relgen.data.overlap import NEAR_COPY, OverlapIndex, context_words
from relgen.data.samples import Sample
from relgen.data.shared_sentences import Sentences, SharedSentences


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
        self._sentences = SharedSentences(map(Sentences.of_sample, samples))
        near = samples if overlap is not None else []
        self._words = OverlapIndex(overlap or NEAR_COPY, map(context_words, near))

    def reason(self, sample: Sample) -> Literal["id", "sentence", "near_copy"] | None:
        """Return what a sample shares with an excluded one; None if it may be used."""
        if sample.id in self._ids:
            return "id"
        if self._sentences.has(Sentences.of_sample(sample)):
            return "sentence"
        return "near_copy" if self._words.has_near(context_words(sample)) else None
