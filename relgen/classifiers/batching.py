"""Composes batches and their order from seeds and lengths.

Training draws from an endless stream, so that an epoch has the same number of steps for training
sets of any size. The order depends on seed and epoch only, so that a resumed run sees the same
batches as an uninterrupted one.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

_NARROW, _WIDE = 4, 32


class _Phase(NamedTuple):
    """Steps `begin` to `end`, whose batches draw rows from one or two pools.

    `pools` are the rows and the number of them in a batch; the name seeds their order.
    """

    name: str
    pools: Sequence[tuple[Sequence[int], int]]
    begin: int = 0
    end: int = sys.maxsize


class TrainingBatches(Sampler[list[int]]):
    """An epoch's batches of row numbers, for one process.

    Args:
        labels: the N rows' labels.
        lengths: their lengths in tokens.
        generated: True for rows written by a language model.
        batch_size: rows per batch and process.
        steps: batches per epoch and process.
        balanced: draw all labels equally often, whatever their numbers of rows; with
            `generated_rows` among human rows only, since predicted labels show how common each
            relation is.
        generated_rows: generated rows in each batch, drawn evenly; None draws from both alike.
        generated_steps: number of initial steps with generated rows only, before the others with
            human rows only. None mixes them throughout.
        skip: batches of the first epoch that an interrupted run has processed already.
    """

    def __init__(
        self,
        labels: Sequence[int],
        lengths: Sequence[int],
        generated: Sequence[bool],
        *,
        batch_size: int,
        steps: int,
        seed: int,
        balanced: bool = True,
        generated_rows: int | None = None,
        generated_steps: int | None = None,
        rank: int = 0,
        world: int = 1,
        skip: int = 0,
    ) -> None:
        self.labels = labels
        self.lengths = lengths
        self.steps = steps
        self.seed = seed
        self.balanced = balanced
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.skip = skip
        rows = range(len(labels))
        written = [row for row in rows if generated[row]]
        human = [row for row in rows if not generated[row]]
        if generated_rows is not None:
            sides = [(human, batch_size - generated_rows), (written, generated_rows)]
            self._phases = [_Phase("side", sides)]
        elif generated_steps is not None:
            first = _Phase("0", [(written, batch_size)], 0, generated_steps)
            self._phases = [first, _Phase("1", [(human, batch_size)], generated_steps)]
        else:
            self._phases = [_Phase("0", [(rows, batch_size)])]

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        start, stop = self.epoch * self.steps, (self.epoch + 1) * self.steps
        batches: list[list[int]] = []
        for phase in self._phases:
            low, high = max(start, phase.begin), min(stop, phase.end)
            if low < high:
                batches += self._phase(phase, low - phase.begin, high - phase.begin)
        skip, self.skip = self.skip, 0
        yield from batches[self.rank :: self.world][skip:]

    def _phase(self, phase: _Phase, low: int, high: int) -> list[list[int]]:
        """Return the batches of the steps from `low` to `high` of a phase, of all processes."""
        name = f"{self.seed}/{phase.name}"
        first, last = low * self.world, high * self.world
        window = min(sorting_window(len(rows) // size) for rows, size in phase.pools)
        batches: list[list[int]] = [[] for _ in range(first, last)]
        for number, (rows, size) in enumerate(phase.pools):
            seed = name if len(phase.pools) == 1 else f"{name}/{number}"
            stream = draw_rows(rows, self.labels, balanced=self.balanced and number == 0, seed=seed)
            drawn = list(islice(stream, first * size, last * size))
            # combine short rows of one pool with short rows of the other
            pieces = cut(drawn, self.lengths, size, window)
            for batch, piece in zip(batches, pieces, strict=True):
                batch += piece
        # sorted rows would bring long sentences, and their labels, all at once
        random.Random(f"{name}/{self.epoch}").shuffle(batches)
        return batches


def draw_rows(
    rows: Sequence[int], labels: Sequence[int], *, balanced: bool, seed: str
) -> Iterator[int]:
    """Yield rows without end.

    Balanced: each round yields every label once, in random order, and a label repeats a row only
    after all its rows. Otherwise: each pass yields all rows, shuffled. `labels` has the label of
    every row number, `rows` at least one of these numbers.
    """
    rng = random.Random(seed)
    pools: dict[int, list[int]] = {}
    for row in rows:
        pools.setdefault(labels[row] if balanced else 0, []).append(row)
    left: dict[int, list[int]] = {pool: [] for pool in pools}
    while True:
        for pool in rng.sample(list(pools), len(pools)):
            if not left[pool]:
                left[pool] = rng.sample(pools[pool], len(pools[pool]))
            yield left[pool].pop()


def sorting_window(batches: int) -> int:
    """Return the number of batches to sort together, given the number in a pass over all rows.

    A twelfth of the pass, within bounds: wide windows need less padding, narrow ones mix small sets
    better. A window longer than the pass would put copies of a row into one batch.
    """
    return max(1, min(batches, max(_NARROW, min(_WIDE, batches // 12))))


def cut(
    rows: Sequence[int], lengths: Sequence[int], batch_size: int, window: int
) -> list[list[int]]:
    """Cut drawn rows into batches of similar lengths.

    Rows are sorted by length within windows of `window` batches only, so that a label with long
    sentences does not accumulate in few batches. `lengths` has the length of every row number.
    """
    batches = []
    for start in range(0, len(rows), window * batch_size):
        near = sorted(rows[start : start + window * batch_size], key=lambda row: lengths[row])
        batches += [near[i : i + batch_size] for i in range(0, len(near), batch_size)]
    return batches


def evaluation_batches(
    lengths: Sequence[int], batch_size: int, *, rank: int = 0, world: int = 1
) -> list[list[int]]:
    """Return the batches of process `rank` of `world`; all together yield every row once.

    No row is duplicated; batches have similar lengths. Processes get equal numbers of batches if
    there are enough rows, as collective operations between batches require.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    count = math.ceil(math.ceil(len(order) / world) / batch_size)
    mine = np.array(order[rank::world], dtype=int)
    return [part.tolist() for part in np.array_split(mine, count or 1) if len(part)]
