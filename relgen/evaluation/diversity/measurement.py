"""How different the samples of one relation are: `measure`, and what it is made of.

| measure | better | what it is |
|---|---|---|
| cosine | lower | mean cosine over all pairs of sentence vectors |
| cosine_masked | lower | the same with both entities replaced by `something` |
| distinct_1, _2, _3 | higher | distinct n-grams over all n-grams |
| self_bleu | lower | mean BLEU-4 of each sentence against the others |
| vendi | higher | effective number of different sentences (1 to n) |
| word_repetition | lower | share of content words that another sentence has too |
| phrasings | higher | different normalised texts between the entities, over n |

Most of them depend on the number of samples, so sets are compared at equal size only. Self-BLEU
takes a seeded draw of a relation's sentences where they are very many. `overall` is the mean over
relations: what differs between relations says nothing about diversity within one.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from relgen.data import Sample
from relgen.evaluation.diversity.metrics import MeanPairwiseCosine, TextDiversity, VendiScore
from relgen.evaluation.diversity.text import SELF_BLEU_SENTENCES, masked

if TYPE_CHECKING:
    from relgen.models import Encoder

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
_BLOCK = 16_384  # samples whose vectors are in memory at the same time


def measure(
    samples: Sequence[Sample],
    *,
    encoder: Encoder | str,
    seed: int,
    size: int | Mapping[str, int] | None = None,
    self_bleu_sentences: int = SELF_BLEU_SENTENCES,
) -> dict[str, Any]:
    """Measures the diversity of each relation's samples, and the mean over relations.

    Args:
        samples: at least one.
        encoder: an encoder, or the name of one.
        seed: of the draw, where a relation has more samples than `size`.
        size: samples a relation at most; a mapping also leaves out the relations it does not name.
        self_bleu_sentences: of each relation, how many self-BLEU takes at most.

    Returns:
        `{"overall": {measure: value}, "per_relation": {label: {measure: value}}, "size": n,
        "sizes": {label: n}, "self_bleu_sizes": {label: n}, "encoder": name}`, ready for JSON:
        values that so few samples do not have are None. `size` is the largest of `sizes`.
    """
    drawn = draw(samples, size=size, seed=seed)
    if isinstance(encoder, str):
        from relgen.models import SentenceEncoder

        encoder = SentenceEncoder(encoder)
    shape = len(drawn), encoder.encode([]).shape[1]
    cosine, cosine_masked = MeanPairwiseCosine(*shape), MeanPairwiseCosine(*shape)
    vendi, texts = VendiScore(*shape), TextDiversity(seed, self_bleu_sentences)
    for block in _encoded(drawn, encoder):
        cosine.update(block.vectors, block.relations)
        cosine_masked.update(block.masked, block.relations)
        vendi.update(block.vectors, block.relations)
        texts.update(block.samples)

    found: dict[str, dict[str, float | None]] = texts.compute()
    for name, metric in (("cosine", cosine), ("cosine_masked", cosine_masked), ("vendi", vendi)):
        for label, value in zip(drawn, metric.compute().reshape(-1).tolist(), strict=True):
            found[label][name] = None if math.isnan(value) else value
    per_relation = {label: {name: found[label][name] for name in MEASURES} for label in drawn}
    sizes = {label: len(group) for label, group in drawn.items()}
    return {
        "overall": {name: _mean([of[name] for of in per_relation.values()]) for name in MEASURES},
        "per_relation": per_relation,
        "size": max(sizes.values(), default=0),
        "sizes": sizes,
        "self_bleu_sizes": {label: min(n, self_bleu_sentences) for label, n in sizes.items()},
        "encoder": encoder.name,
    }


def draw(
    samples: Sequence[Sample], *, size: int | Mapping[str, int] | None, seed: int
) -> dict[str, list[Sample]]:
    """Groups samples by relation and draws as many as `size` allows, in the order they came.

    Args:
        samples: in any order; relations keep the order in which they first occur.
        size: samples a relation at most; a mapping also leaves out the relations it does not name.
        seed: of the draw; each relation has a generator of its own.
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
    """The number of samples a relation that every set can give: what a fair comparison takes.

    Args:
        sets: samples to be compared.
        size: an upper limit.

    Returns:
        {relation: n}, without the relations that a set lacks, in the order of the first set.
    """
    counts = [Counter(sample.relation for sample in samples) for samples in sets]
    smallest = {label: min(of[label] for of in counts) for label in counts[0]}
    limit = size or max(smallest.values(), default=0)
    return {label: min(number, limit) for label, number in smallest.items() if number}


class _Block(NamedTuple):
    """Samples, their vectors (B, d), those without entities (B, d), numbers of relations (B,)."""

    samples: list[Sample]
    vectors: Tensor
    masked: Tensor
    relations: Tensor


def _encoded(drawn: Mapping[str, Sequence[Sample]], encoder: Encoder) -> Iterator[_Block]:
    """The samples relation by relation, each with an id of its own, since files may share ids."""
    pairs = enumerate((n, s) for n, group in enumerate(drawn.values()) for s in group)
    numbered = ((relation, replace(s, id=str(number))) for number, (relation, s) in pairs)
    while chosen := list(itertools.islice(numbered, _BLOCK)):
        samples = [sample for _, sample in chosen]
        bare = [
            masked(s.text, (s.head.start, s.head.end), (s.tail.start, s.tail.end)) for s in samples
        ]
        relations = torch.tensor([relation for relation, _ in chosen], dtype=torch.long)
        vectors = encoder.encode([sample.text for sample in samples])
        yield _Block(samples, vectors, encoder.encode(bare), relations)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
