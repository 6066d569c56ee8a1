"""Measures how different the samples of one relation are.

| measure | better | definition |
|---|---|---|
| cosine | lower | mean cosine over all pairs of sentence vectors |
| cosine_masked | lower | the same with both entities replaced by `something` |
| distinct_1, _2, _3 | higher | distinct n-grams over all n-grams |
| self_bleu | lower | mean BLEU-4 of each sentence against the others |
| vendi | higher | effective number of different sentences (1 to n) |
| word_repetition | lower | share of content words that another sentence has too |
| phrasings | higher | different normalised texts between the entities, over n |

Most of them depend on the number of samples, so compare sets of equal size only. Self-BLEU is
computed on a random sample of a large relation's sentences. `overall` is the mean over relations.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from relgen.data import Sample
from relgen.evaluation.diversity import text
from relgen.evaluation.diversity.vectors import mean_pairwise_cosine, vendi_score
from relgen.evaluation.statistics import mean

if TYPE_CHECKING:
    from relgen.models import SentenceEncoder

MEASURES = (
    "cosine",
    "cosine_masked",
    "distinct_1",
    "distinct_2",
    "distinct_3",
    "self_bleu",
    "vendi",
    "word_repetition",
    "phrasings",
)
SELF_BLEU_SENTENCES = 5_000
"""Largest number of sentences of one relation on which self-BLEU is computed."""
_BLOCK = 16_384


def measure(
    samples: Sequence[Sample],
    *,
    encoder: SentenceEncoder | str,
    seed: int,
    size: int | Mapping[str, int] | None = None,
    self_bleu_sentences: int = SELF_BLEU_SENTENCES,
) -> dict[str, Any]:
    """Measure the diversity of each relation's samples, and average over relations.

    `seed` and `size` are those of `draw`; self-BLEU is computed on at most `self_bleu_sentences` of
    each relation.

    Returns:
        `{"overall": {measure: value}, "per_relation": {label: {measure: value}}, "size": n,
        "sizes": {label: n}, "self_bleu_sizes": {label: n}, "encoder": name}`, ready for JSON. A
        value is None when it is not defined for so few samples. `size` is the largest of `sizes`.
    """
    if isinstance(encoder, str):
        from relgen.models import SentenceEncoder

        encoder = SentenceEncoder(encoder)
    drawn = draw(samples, size=size, seed=seed)
    per_relation = {}
    for label, group in drawn.items():
        rng = random.Random(f"self_bleu/{seed}/{label}")
        values = {
            **_vector_measures(group, encoder),
            **_text_measures(group, rng, self_bleu_sentences),
        }
        per_relation[label] = {name: values[name] for name in MEASURES}
    sizes = {label: len(group) for label, group in drawn.items()}
    return {
        "overall": {name: mean([of[name] for of in per_relation.values()]) for name in MEASURES},
        "per_relation": per_relation,
        "size": max(sizes.values(), default=0),
        "sizes": sizes,
        "self_bleu_sizes": {label: min(n, self_bleu_sentences) for label, n in sizes.items()},
        "encoder": encoder.name,
    }


def draw(
    samples: Sequence[Sample], *, size: int | Mapping[str, int] | None, seed: int
) -> dict[str, list[Sample]]:
    """Group samples by relation, and draw at most `size` of each without changing the order.

    Relations are in the order in which they first occur. A mapping gives each relation's size; it
    drops the relations it does not name.
    """
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.relation, []).append(sample)
    drawn = {}
    for relation, group in groups.items():
        limit = size.get(relation, 0) if isinstance(size, Mapping) else size
        if limit is not None and limit < len(group):
            chosen = random.Random(f"diversity/{seed}/{relation}").sample(range(len(group)), limit)
            group = [group[position] for position in sorted(chosen)]
        if group:
            drawn[relation] = group
    return drawn


def common_sizes(*sets: Sequence[Sample], size: int | None = None) -> dict[str, int]:
    """Return the number of samples, at most `size`, that all sets have of each common relation."""
    counts = [Counter(sample.relation for sample in samples) for samples in sets]
    smallest = {label: min(of[label] for of in counts) for label in counts[0]}
    limit = size or max(smallest.values(), default=0)
    return {label: min(number, limit) for label, number in smallest.items() if number}


def _vector_measures(
    samples: Sequence[Sample], encoder: SentenceEncoder
) -> dict[str, float | None]:
    """Compute the vector measures with one block of vectors in memory at a time."""
    total = masked_total = products = torch.zeros((), dtype=torch.float64)
    count = len(samples)
    for start in range(0, count, _BLOCK):
        block = samples[start : start + _BLOCK]
        vectors = encoder.encode([sample.text for sample in block]).double()  # (b, d)
        total = total + vectors.sum(0)
        products = products + vectors.T @ vectors
        masked = encoder.encode([text.masked(sample) for sample in block])  # (b, d)
        masked_total = masked_total + masked.sum(0, dtype=torch.float64)
    values = {
        "cosine": mean_pairwise_cosine(total, count).item(),
        "cosine_masked": mean_pairwise_cosine(masked_total, count).item(),
        "vendi": vendi_score(products, count).item(),
    }
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _text_measures(
    samples: Sequence[Sample], rng: random.Random, self_bleu_sentences: int
) -> dict[str, float | None]:
    # interned: one string for all occurrences of a word
    sentences = [[sys.intern(word) for word in text.words(sample.text)] for sample in samples]
    drawn = sentences
    if len(sentences) > self_bleu_sentences:
        drawn = rng.sample(sentences, self_bleu_sentences)
    return {
        "distinct_1": text.distinct(sentences, 1),
        "distinct_2": text.distinct(sentences, 2),
        "distinct_3": text.distinct(sentences, 3),
        "self_bleu": text.self_bleu(drawn),
        "word_repetition": text.word_repetition(sentences),
        "phrasings": len({text.phrasing(sample) for sample in samples}) / len(samples),
    }
