"""Compose batches and their order from seeds and lengths.

Training draws from an endless stream, so that an epoch has the same number of steps for training
sets of any size. The order depends on seed and epoch only, so that a resumed run sees the same
batches as an uninterrupted one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice

from torch.utils.data import Sampler

_NARROW, _WIDE = 4, 32


class TrainingBatches(Sampler[list[int]]):
    """An epoch's batches of row numbers, for one process.

    Args:
        labels: the N rows' labels.
        lengths: their lengths in tokens.
        generated: True for rows written by a language model.
        batch_size: rows per batch and process.
        steps: batches per epoch and process.
        seed: of the order.
        balanced: draw all labels equally often, whatever their numbers of rows; with
            `generated_rows` among human rows only, since predicted labels show how common each
            relation is.
        generated_rows: number of generated rows in each batch, drawn evenly; the others are human.
            None draws from both alike.
        generated_steps: number of initial steps with generated rows only, before the others with
            human rows only. None mixes them throughout.
        rank: this process.
        world: number of processes.
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
        self.batch_size = batch_size
        self.steps = steps
        self.seed = seed
        self.balanced = balanced
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.skip = skip
        self.generated_rows = generated_rows
        rows = range(len(labels))
        written = [row for row in rows if generated[row]]
        human = [row for row in rows if not generated[row]]
        self._sources = human, written
        self._phases: list[tuple[list[int], int, int | None]] = [(list(rows), 0, None)]
        if generated_steps is not None:
            self._phases = [(written, 0, generated_steps), (human, generated_steps, None)]

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        batches = self._phased() if self.generated_rows is None else self._side_by_side()
        skip, self.skip = self.skip, 0
        yield from batches[self.rank :: self.world][skip:]

    def _side_by_side(self) -> list[list[int]]:
        """Return batches of similar lengths with a fixed number of rows from each source."""
        count = self.steps * self.world
        assert self.generated_rows is not None
        sizes = (self.batch_size - self.generated_rows, self.generated_rows)
        window = min(
            sorting_window(len(rows) // size)
            for rows, size in zip(self._sources, sizes, strict=True)
        )
        batches: list[list[int]] = [[] for _ in range(count)]
        for number, (rows, size) in enumerate(zip(self._sources, sizes, strict=True)):
            balanced = self.balanced and number == 0
            stream = draw(rows, self.labels, balanced=balanced, seed=f"{self.seed}/side/{number}")
            begin = self.epoch * count * size
            drawn = list(islice(stream, begin, begin + count * size))
            # short rows of one source beside short rows of the other
            for batch, part in zip(batches, cut(drawn, self.lengths, size, window), strict=True):
                batch += part
        random.Random(f"{self.seed}/side/{self.epoch}").shuffle(batches)
        return batches

    def _phased(self) -> list[list[int]]:
        """Return batches of similar lengths, phase after phase."""
        start, stop = self.epoch * self.steps, (self.epoch + 1) * self.steps
        size = self.batch_size * self.world
        batches: list[list[int]] = []
        for number, (rows, begin, end) in enumerate(self._phases):
            low, high = max(start, begin), stop if end is None else min(stop, end)
            if low >= high:
                continue
            name = f"{self.seed}/{number}"
            stream = draw(rows, self.labels, balanced=self.balanced, seed=name)
            drawn = list(islice(stream, (low - begin) * size, (high - begin) * size))
            window = sorting_window(len(rows) // self.batch_size)
            phase = cut(drawn, self.lengths, self.batch_size, window)
            # sorted rows would bring long sentences, and their labels, all at once
            random.Random(f"{name}/{self.epoch}").shuffle(phase)
            batches += phase
        return batches


def draw(rows: Sequence[int], labels: Sequence[int], *, balanced: bool, seed: str) -> Iterator[int]:
    """Yield rows without end.

    Balanced: each round yields every label once, in random order, and a label repeats a row only
    after all its rows. Otherwise: each pass yields all rows, shuffled.

    Args:
        rows: the row numbers to draw from; at least one.
        labels: the label of every row number.
        balanced: see above.
        seed: of the order.
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
    """Return one process' batches of similar lengths; all processes together yield every row once.

    No row is duplicated. Processes get equal numbers of batches if there are enough rows, as
    collective operations between batches require.

    Args:
        lengths: the N rows' lengths.
        batch_size: maximum number of rows per batch.
        rank: this process.
        world: number of processes.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    largest = -(-len(order) // world)
    count = -(-largest // batch_size)
    mine = order[rank::world]
    size, extra = divmod(len(mine), count) if count else (0, 0)
    batches, start = [], 0
    for number in range(count):
        stop = start + size + (number < extra)
        batches.append(mine[start:stop])
        start = stop
    return [batch for batch in batches if batch]
