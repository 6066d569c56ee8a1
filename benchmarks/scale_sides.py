"""What `benchmarks.scale` measures: the operations, and the plain ways that check them."""

from __future__ import annotations

import contextlib
import io
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.scale_data import DIMENSION, embeddings, held_out_sentences, sentences
from relgen.cli.commands import data_convert
from relgen.data.samples import Sample, iter_samples, write_samples
from relgen.generation.overlap import OverlapIndex, context_words, jaccard
from relgen.generation.settings import GenerationSettings

if TYPE_CHECKING:
    from torch import Tensor
    from torchmetrics import Metric

Item = TypeVar("Item")


class Clock:
    """Seconds of the work alone, without those that making its input takes."""

    def __init__(self) -> None:
        self._outside = 0.0

    def outside(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items; the time until the next one is there does not count."""
        iterator = iter(items)
        while True:
            began = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._outside += time.perf_counter() - began
            yield item

    def timed(self, work: Callable[[], Any]) -> tuple[float, Any]:
        """The seconds of a call, and what it returned."""
        began = time.perf_counter()
        value = work()
        return time.perf_counter() - began - self._outside, value


def write(clock: Clock, size: int, seed: int, folder: Path) -> Callable[[], int]:
    return lambda: write_samples(folder / "s.jsonl", clock.outside(sentences(size, seed)))


def read(clock: Clock, size: int, seed: int, folder: Path) -> Callable[[], int]:
    write_samples(folder / "s.jsonl", sentences(size, seed))
    return lambda: sum(1 for _ in iter_samples(folder / "s.jsonl"))


def convert(clock: Clock, size: int, seed: int, folder: Path) -> Callable[[], str]:
    write_samples(folder / "s.jsonl", sentences(size, seed))
    options = data_convert.Options(
        input=str(folder / "s.jsonl"), format="jsonl", out=str(folder / "t.jsonl")
    )

    def work() -> str:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            data_convert.run(options)
        return said.getvalue().partition(" -> ")[0]

    return work


def near_copies(clock: Clock, size: int, seed: int, folder: Path) -> Callable[[], int]:
    return lambda: sum(near_by_index(clock.outside(sentences(size, seed))))


def near_copies_by_pairs(clock: Clock, size: int, seed: int, folder: Path) -> Callable[[], int]:
    return lambda: sum(near_by_pairs(clock.outside(sentences(size, seed))))


def leaks(clock: Clock, size: int, seed: int, folder: Path) -> Callable[[], int]:
    held_out = held_out_sentences(seed)
    return lambda: sum(leaks_by_index(clock.outside(sentences(size, seed)), held_out))


def cosine(clock: Clock, size: int, seed: int, folder: Path) -> Callable[[], float]:
    cosine_in_blocks(embeddings(2, seed))  # what is imported and set up once does not count
    return lambda: cosine_in_blocks(clock.outside(embeddings(size, seed)))


def vendi(clock: Clock, size: int, seed: int, folder: Path) -> Callable[[], float]:
    vendi_in_blocks(embeddings(2 * DIMENSION, seed))
    return lambda: vendi_in_blocks(clock.outside(embeddings(size, seed)))


def self_bleu(clock: Clock, size: int, seed: int, folder: Path) -> Callable[[], float | None]:
    from relgen.evaluation.diversity import text

    def work() -> float | None:
        words = (text.words(sample.text) for sample in clock.outside(sentences(size, seed)))
        drawn = text.subsample(words, text.SELF_BLEU_SENTENCES, random.Random(seed))
        return text.self_bleu(drawn)

    return work


def distinct(clock: Clock, size: int, seed: int, folder: Path) -> Callable[[], list[float | None]]:
    from relgen.evaluation.diversity import text

    def of_order(order: int) -> float | None:
        samples = clock.outside(sentences(size, seed))
        return text.distinct((text.words(sample.text) for sample in samples), order)

    return lambda: [of_order(order) for order in (1, 2, 3)]


def near_by_index(samples: Iterable[Sample]) -> Iterator[bool]:
    """Whether each sample is a near copy of one that was kept before; as `relgen generate` does."""
    index = OverlapIndex(GenerationSettings().near_copy_overlap)
    for sample in samples:
        words = context_words(sample)
        near = index.has_near(words)
        if not near:
            index.add(words)
        yield near


def near_by_pairs(samples: Iterable[Sample]) -> Iterator[bool]:
    """The same by comparing with every sample that was kept before."""
    threshold = GenerationSettings().near_copy_overlap
    kept: list[frozenset[str]] = []
    for sample in samples:
        words = context_words(sample)
        near = any(jaccard(words, entry) >= threshold for entry in kept)
        if not near:
            kept.append(words)
        yield near


def leaks_by_index(samples: Iterable[Sample], held_out: Sequence[Sample]) -> Iterator[bool]:
    """Whether each sample is a near copy of a held-out one."""
    index = OverlapIndex(GenerationSettings().test_overlap, map(context_words, held_out))
    return (index.has_near(context_words(sample)) for sample in samples)


def leaks_by_pairs(samples: Iterable[Sample], held_out: Sequence[Sample]) -> Iterator[bool]:
    """The same by comparing with every held-out one."""
    threshold, entries = GenerationSettings().test_overlap, list(map(context_words, held_out))
    for sample in samples:
        words = context_words(sample)
        yield any(jaccard(words, entry) >= threshold for entry in entries)


def cosine_in_blocks(blocks: Iterable[Tensor]) -> float:
    """Mean pairwise cosine of unit vectors (n, d) that come in blocks."""
    from relgen.evaluation.diversity.metrics import MeanPairwiseCosine

    return _of_blocks(MeanPairwiseCosine(1, DIMENSION), blocks)


def vendi_in_blocks(blocks: Iterable[Tensor]) -> float:
    """The Vendi score of unit vectors (n, d) that come in blocks."""
    from relgen.evaluation.diversity.metrics import VendiScore

    return _of_blocks(VendiScore(1, DIMENSION), blocks)


def _of_blocks(metric: Metric, blocks: Iterable[Tensor]) -> float:
    import torch

    for block in blocks:
        metric.update(block, torch.zeros(len(block), dtype=torch.long))
    return float(metric.compute())


def measures_in_blocks(number: int, seed: int) -> dict[str, float]:
    """Mean cosine, and Vendi with its vectors summed up as early as may be."""
    from relgen.evaluation.diversity.metrics import VendiScore

    (vectors,) = embeddings(number, seed)
    metric = VendiScore(1, DIMENSION, rows=1)
    return {
        "mean cosine": cosine_in_blocks(vectors.split(100)),
        "Vendi": _of_blocks(metric, vectors.split(100)),
    }


def measures_of_all_pairs(number: int, seed: int) -> dict[str, float]:
    """The same from the n x n matrix of cosines."""
    import torch

    (vectors,) = embeddings(number, seed)
    gram = vectors.double() @ vectors.double().T
    eigenvalues = torch.linalg.eigvalsh(gram / number).clamp(min=0)
    return {
        "mean cosine": float(gram[~torch.eye(number, dtype=torch.bool)].mean()),
        "Vendi": float(torch.special.entr(eigenvalues).sum().exp()),
    }
