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
computed on a random sample of a large relation's sentences. Content words are all but the
function words of the samples' language; if that is not certain, all words. `overall` is the mean
over relations.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from relgen.data import Sample, likely_language, words
from relgen.evaluation.diversity import text
from relgen.evaluation.diversity.function_words import function_words
from relgen.evaluation.statistics import mean

if TYPE_CHECKING:
    from relgen.models import SentenceEncoder

SELF_BLEU_SENTENCES = 5_000
"""Largest number of sentences of one relation on which self-BLEU is computed."""
_BLOCK = 16_384


def measure(
    samples: Sequence[Sample],
    *,
    encoder: SentenceEncoder,
    seed: int,
    size: int | Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Measure the diversity of each relation's samples, and average over relations.

    `seed` and `size` are those of `draw`.

    Returns:
        `{"overall": {measure: value}, "per_relation": {label: {measure: value}}, "size": n,
        "sizes": {label: n}, "self_bleu_sizes": {label: n}, "encoder": name, "function_words":
        code}`, ready for JSON. A value is None when it is not defined for so few samples. `size` is
        the largest of `sizes`, and the code the language whose function words are no content
        words; None if there are none.
    """
    drawn, language = draw(samples, size=size, seed=seed), likely_language(samples)
    known = function_words(language)
    per_relation = {
        label: _measures(group, encoder, known, random.Random(f"self_bleu/{seed}/{label}"))
        for label, group in drawn.items()
    }
    sizes = {label: len(group) for label, group in drawn.items()}
    measures = next(iter(per_relation.values()), {})
    return {
        "overall": {name: mean([of[name] for of in per_relation.values()]) for name in measures},
        "per_relation": per_relation,
        "size": max(sizes.values(), default=0),
        "sizes": sizes,
        "self_bleu_sizes": {label: min(n, SELF_BLEU_SENTENCES) for label, n in sizes.items()},
        "encoder": encoder.name,
        "function_words": language if known else None,
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


def common_sizes(
    ours: Sequence[Sample], theirs: Sequence[Sample], *, size: int | None = None
) -> dict[str, int]:
    """Return the number of samples, at most `size`, that both sets have of each common relation."""
    smallest = Counter(s.relation for s in ours) & Counter(s.relation for s in theirs)
    return {label: min(number, size or number) for label, number in smallest.items()}


def _measures(
    samples: Sequence[Sample],
    encoder: SentenceEncoder,
    function_words: Collection[str],
    rng: random.Random,
) -> dict[str, float | None]:
    """Compute all measures of one relation, with one block of vectors in memory at a time."""
    total = masked_total = products = torch.zeros((), dtype=torch.float64)
    size = len(samples)
    for start in range(0, size, _BLOCK):
        block = samples[start : start + _BLOCK]
        vectors = encoder.encode([sample.text for sample in block]).double()  # (b, d)
        total = total + vectors.sum(0)
        products = products + vectors.T @ vectors
        masked = encoder.encode([text.masked(sample) for sample in block])  # (b, d)
        masked_total = masked_total + masked.sum(0, dtype=torch.float64)
    # interned: one string for all occurrences of a word
    sentences = [[sys.intern(word) for word in words(sample.text)] for sample in samples]
    drawn = sentences
    if size > SELF_BLEU_SENTENCES:
        drawn = rng.sample(sentences, SELF_BLEU_SENTENCES)
    return {
        "cosine": mean_pairwise_cosine(total, size) if size > 1 else None,
        "cosine_masked": mean_pairwise_cosine(masked_total, size) if size > 1 else None,
        "distinct_1": text.distinct(sentences, 1),
        "distinct_2": text.distinct(sentences, 2),
        "distinct_3": text.distinct(sentences, 3),
        "self_bleu": text.self_bleu(drawn),
        "vendi": vendi_score(products, size),
        "word_repetition": text.word_repetition(sentences, function_words),
        "phrasings": len({text.phrasing(sample) for sample in samples}) / size,
    }


def mean_pairwise_cosine(total: Tensor, count: int) -> float:
    """Return the mean cosine over all pairs of n unit vectors, computed from their sum alone.

    ‖Σv‖² = n + Σ_{i≠j} v_i·v_j, so the mean over the n(n − 1) ordered pairs is
    (‖Σv‖² − n) / (n(n − 1)).

    `total` (d,) is their sum, and n is at least 2.
    """
    return float(total.square().sum() - count) / (count * (count - 1))


def vendi_score(products: Tensor, count: int) -> float:
    """Return the effective number of different vectors: exp of the entropy of K/n's eigenvalues.

    K is the n x n Gram matrix XXᵀ of the unit vectors (Friedman and Dieng 2023, definition 3.1).
    Its non-zero eigenvalues are those of XᵀX. The score is 1 for n copies of a vector, and n for n
    orthogonal vectors.

    `products` (d, d) is XᵀX, and n is at least 1.
    """
    eigenvalues = torch.linalg.eigvalsh(products / count).clamp(min=0)
    return torch.special.entr(eigenvalues).sum().exp().item()
