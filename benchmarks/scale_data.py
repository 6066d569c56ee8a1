"""Input of `benchmarks.scale`: any number of sentences and vectors, made by seed."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from relgen.data import Entity, Relation, RelationSchema, Sample, words
from relgen.data.corpora.everyday import read_split

if TYPE_CHECKING:
    from torch import Tensor

DIMENSION = 384
TEST_SENTENCES = 2_717  # as many as the test set of SemEval-2010 Task 8 has
_TEST_SEED = 1_000_003
_LETTERS = [letter + mark for mark in ("", "ิ", "่", "ี") for letter in "นรกทมวสคดลยบหตพจปงขชอผซถ"]


def labels(relations: int) -> list[str]:
    """Return that many names of relations."""
    return [f"relation {number}" for number in range(relations)]


def relation_schema(relations: int) -> RelationSchema:
    """Return a schema of that many relations, without a negative one."""
    return RelationSchema(
        "scale", tuple(Relation(label, "It holds.") for label in labels(relations))
    )


def sentences(number: int, seed: int, relations: int = 10) -> Iterator[Sample]:
    """Yield samples of 10 to 30 words; each depends on its place, the seed and `relations` only.

    Words and entities are those of the everyday corpus, as often as they occur there. One sentence
    in 20 is a near copy of an earlier one, and one in 50 of a sentence of `held_out_sentences`.
    """
    names = labels(relations)
    for place in range(number):
        yield _made(place, seed).with_relation(random.Random(place).choice(names))


def _made(place: int, seed: int) -> Sample:
    if place % 20 == 19:
        earlier = 20 * random.Random(place).randrange(place // 20 + 1)
        return _copy(place, seed, _context(earlier, seed))
    if place % 50 == 7:
        held_out = random.Random(place).randrange(TEST_SENTENCES)
        return _copy(place, seed, _context(held_out, seed + _TEST_SEED))
    return _sample(place, seed, _context(place, seed))


def held_out_sentences(seed: int) -> list[Sample]:
    """Return the held-out sentences that belong to `sentences` of the same seed."""
    other = seed + _TEST_SEED
    return [_sample(place, other, _context(place, other)) for place in range(TEST_SENTENCES)]


@functools.cache
def _material() -> tuple[list[str], list[str]]:
    """Return words and entities of the everyday corpus, each as often as it occurs."""
    corpus = read_split("train")
    vocabulary = [word for sample in corpus for word in words(sample.text)]
    mentions = [mention for sample in corpus for mention in (sample.head_text, sample.tail_text)]
    mentions = [mention for mention in mentions if len(mention.split()) <= 3]
    return vocabulary, mentions


def _context(place: int, seed: int) -> list[str]:
    rng = random.Random((seed << 32) + place)
    return rng.choices(_material()[0], k=rng.randint(8, 24))


def _copy(place: int, seed: int, context: list[str]) -> Sample:
    """Return a sample of the same context with one word changed, and other entities."""
    rng = random.Random((seed << 32) + place)
    context[rng.randrange(len(context))] = rng.choice(_material()[0])
    return _sample(place, seed, context)


def _sample(place: int, seed: int, context: Sequence[str]) -> Sample:
    rng = random.Random((seed << 32) + place)
    mentions = _material()[1]
    first, second = sorted(rng.sample(range(len(context) + 1), 2))
    head, tail = rng.choice(mentions), rng.choice(mentions)
    before = "".join(f"{word} " for word in context[:first])
    between = " ".join(["", *context[first:second], ""])
    text = f"{before}{head}{between}{tail}{''.join(f' {word}' for word in context[second:])}."
    start = len(before) + len(head) + len(between)
    return Sample(
        f"scale-{place}",
        text,
        Entity(len(before), len(before) + len(head)),
        Entity(start, start + len(tail)),
        "any",
        "generated",
    )


def unspaced(sample: Sample) -> Sample:
    """Return a sample with each word outside the entities spelt in Thai letters, without spaces."""
    before, between, after = ("".join(map(_thai, words(one))) for one in sample.contexts)
    text = f"{before}{sample.head_text}{between}{sample.tail_text}{after}"
    start = len(before) + len(sample.head_text) + len(between)
    head = Entity(len(before), len(before) + len(sample.head_text))
    return replace(sample, text=text, head=head, tail=Entity(start, start + len(sample.tail_text)))


@functools.cache
def _thai(word: str) -> str:
    """Return two to five letters for a word; some letters are frequent, as in every language."""
    rng = random.Random(word)
    weights = [1 / (rank + 5) for rank in range(len(_LETTERS))]
    return "".join(rng.choices(_LETTERS, weights, k=rng.randint(2, 5)))


def embeddings(number: int, seed: int) -> Tensor:
    """Return random unit vectors (n, 384), float32."""
    import torch
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(number, DIMENSION, generator=generator), dim=-1)
