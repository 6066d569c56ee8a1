"""The operations that `benchmarks.scale` measures, and the quadratic ways that check them."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from benchmarks import harness
from benchmarks.scale_data import (
    DIMENSION,
    embeddings,
    held_out_sentences,
    relation_schema,
    sentences,
    unspaced,
)
from relgen.cli.commands import data_convert, data_split
from relgen.data import (
    ConvertOptions,
    OverlapIndex,
    Sample,
    SplitOptions,
    context_words,
    iter_samples,
    jaccard,
    words,
    write_samples,
)
from relgen.dpo import build_chains
from relgen.generation import GenerationSettings

Item = TypeVar("Item")


class Input(NamedTuple):
    """The number of samples and of their relations, and the seed."""

    size: int
    relations: int
    seed: int

    def sentences(self) -> Iterator[Sample]:
        return sentences(self.size, self.seed, self.relations)


class Clock:
    """Measures the seconds of the work alone, without the time to make its input."""

    def __init__(self) -> None:
        self._outside = 0.0

    def outside(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, not counting the time that they take to make."""
        iterator = iter(items)
        while True:
            began = harness.clock()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._outside += harness.clock() - began
            yield item

    def timed(self, work: Callable[[], Any]) -> tuple[float, Any]:
        """Return the seconds of a call, and its result."""
        began = harness.clock()
        value = work()
        return harness.clock() - began - self._outside, value


def write(clock: Clock, given: Input, folder: Path) -> Callable[[], int]:
    return lambda: write_samples(folder / "s.jsonl", clock.outside(given.sentences()))


def read(clock: Clock, given: Input, folder: Path) -> Callable[[], int]:
    write_samples(folder / "s.jsonl", given.sentences())
    return lambda: sum(1 for _ in iter_samples(folder / "s.jsonl"))


def convert(clock: Clock, given: Input, folder: Path) -> Callable[[], str]:
    write_samples(folder / "s.jsonl", given.sentences())
    options = ConvertOptions(
        input=str(folder / "s.jsonl"), format="jsonl", out=str(folder / "t.jsonl")
    )

    def work() -> str:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            data_convert.run(options)
        return said.getvalue().partition(" -> ")[0]

    return work


def split(clock: Clock, given: Input, folder: Path) -> Callable[[], str]:
    write_samples(folder / "s.jsonl", given.sentences())
    held_out = (
        replace(sample, id=f"test-{sample.id}") for sample in held_out_sentences(given.seed)
    )
    write_samples(folder / "test.jsonl", held_out)
    options = SplitOptions(
        samples=folder / "s.jsonl",
        exclude=folder / "test.jsonl",
        shots=max(1, min(8, given.size // (10 * given.relations))),
        seed=given.seed,
        out=str(folder / "split"),
    )

    def work() -> str:
        with (
            contextlib.redirect_stdout(io.StringIO()) as said,
            contextlib.redirect_stderr(io.StringIO()),
        ):
            data_split.run(options)
        return said.getvalue().partition(" -> ")[0]

    return work


def chains(clock: Clock, given: Input, folder: Path) -> Callable[[], int]:
    samples, schema = list(given.sentences()), relation_schema(given.relations)
    return lambda: sum(len(chain.pairs) for chain in build_chains(samples, schema, seed=given.seed))


def near_copies(clock: Clock, given: Input, folder: Path) -> Callable[[], int]:
    return lambda: sum(near_by_index(clock.outside(given.sentences())))


def near_copies_in_thai(clock: Clock, given: Input, folder: Path) -> Callable[[], int]:
    return lambda: sum(near_by_index(clock.outside(map(unspaced, given.sentences()))))


def near_copies_by_pairs(clock: Clock, given: Input, folder: Path) -> Callable[[], int]:
    return lambda: sum(near_by_pairs(clock.outside(given.sentences())))


def leaks(clock: Clock, given: Input, folder: Path) -> Callable[[], int]:
    held_out = held_out_sentences(given.seed)
    return lambda: sum(leaks_by_index(clock.outside(given.sentences()), held_out))


def _products(vectors: Tensor) -> Tensor:
    """Return XᵀX without a float64 copy of all of X."""
    return sum((x.double().T @ x.double() for x in vectors.split(16_384)), start=torch.tensor(0.0))


def cosine(clock: Clock, given: Input, folder: Path) -> Callable[[], float]:
    from relgen.evaluation.diversity.measurement import mean_pairwise_cosine

    vectors = embeddings(given.size, given.seed)
    return lambda: mean_pairwise_cosine(vectors.sum(0, dtype=torch.float64), given.size)


def vendi(clock: Clock, given: Input, folder: Path) -> Callable[[], float]:
    from relgen.evaluation.diversity.measurement import vendi_score

    _products(embeddings(2 * DIMENSION, given.seed))  # set up once, not counted
    vectors = embeddings(given.size, given.seed)
    return lambda: vendi_score(_products(vectors), given.size)


def self_bleu(clock: Clock, given: Input, folder: Path) -> Callable[[], float | None]:
    from relgen.evaluation.diversity import text
    from relgen.evaluation.diversity.measurement import SELF_BLEU_SENTENCES

    texts = [words(sample.text) for sample in given.sentences()]

    def work() -> float | None:
        drawn = texts
        if given.size > SELF_BLEU_SENTENCES:
            drawn = random.Random(given.seed).sample(texts, SELF_BLEU_SENTENCES)
        return text.self_bleu(drawn)

    return work


def distinct(clock: Clock, given: Input, folder: Path) -> Callable[[], list[float | None]]:
    from relgen.evaluation.diversity import text

    texts = [words(sample.text) for sample in given.sentences()]
    return lambda: [text.distinct(texts, order) for order in (1, 2, 3)]


def near_by_index(samples: Iterable[Sample]) -> Iterator[bool]:
    """Yield true for each near copy of a sample kept before, as `relgen generate` does."""
    index = OverlapIndex(GenerationSettings().near_copy_overlap)
    for sample in samples:
        words = context_words(sample)
        near = index.has_near(words)
        if not near:
            index.add(words)
        yield near


def near_by_pairs(samples: Iterable[Sample]) -> Iterator[bool]:
    """Yield the same by comparing with every sample kept before."""
    threshold = GenerationSettings().near_copy_overlap
    kept: list[frozenset[str]] = []
    for sample in samples:
        words = context_words(sample)
        near = any(jaccard(words, entry) >= threshold for entry in kept)
        if not near:
            kept.append(words)
        yield near


def leaks_by_index(samples: Iterable[Sample], held_out: Sequence[Sample]) -> Iterator[bool]:
    """Yield true for each near copy of a held-out sample."""
    index = OverlapIndex(GenerationSettings().test_overlap, map(context_words, held_out))
    return (index.has_near(context_words(sample)) for sample in samples)


def leaks_by_pairs(samples: Iterable[Sample], held_out: Sequence[Sample]) -> Iterator[bool]:
    """Yield the same by comparing with every held-out sample."""
    threshold, entries = GenerationSettings().test_overlap, list(map(context_words, held_out))
    for sample in samples:
        words = context_words(sample)
        yield any(jaccard(words, entry) >= threshold for entry in entries)


def measures(number: int, seed: int) -> dict[str, float]:
    """Return mean cosine and Vendi score as `relgen diversity` computes them."""
    from relgen.evaluation.diversity.measurement import mean_pairwise_cosine, vendi_score

    vectors = embeddings(number, seed)
    total = vectors.sum(0, dtype=torch.float64)
    return {
        "mean cosine": mean_pairwise_cosine(total, number),
        "Vendi": vendi_score(_products(vectors), number),
    }


def measures_of_all_pairs(number: int, seed: int) -> dict[str, float]:
    """Return the same from the n x n matrix of cosines."""
    vectors = embeddings(number, seed).double()
    gram = vectors @ vectors.T
    eigenvalues = torch.linalg.eigvalsh(gram / number).clamp(min=0)
    return {
        "mean cosine": float(gram[~torch.eye(number, dtype=torch.bool)].mean()),
        "Vendi": float(torch.special.entr(eigenvalues).sum().exp()),
    }
