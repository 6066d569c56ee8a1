"""Batches by token budget, in an order that depends on the seed and the epoch only.

Every epoch has the same number of batches, a multiple of the number of processes, on which
learning-rate schedules and resumed runs rely. No item is repeated or left out.
"""

from __future__ import annotations

import heapq
import math
import random
import signal
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import DistributedSampler

from relgen.common import InputError, counted

_DRAWS = 10


def count_batches(sizes: Sequence[int], budget: int, *, processes: int = 1) -> int:
    """Return the smallest number of batches, a multiple of `processes`, that holds all items.

    An item with more tokens than the budget of a batch has one to itself. Raises InputError if
    there are fewer items than processes, or no even division within the budget.
    """
    order = _largest_first(sizes, list(range(len(sizes))))
    fewest = sum(min(size, budget) for size in sizes) / budget
    first = max(1, math.ceil(fewest / processes)) * processes
    for number in range(first, len(sizes) + 1, processes):
        if _spread(order, sizes, number, budget) is not None:
            return number
    problem = f"{counted(len(sizes), 'chain')} cannot be divided among {processes} processes"
    most = len(sizes) // processes * processes
    if not most:
        raise InputError(problem, field="token_budget", value=budget, remedy="use fewer devices")
    # some batches must hold two items: the smallest budget that allows it
    batches = _spread(order, sizes, most, sum(sizes)) or []
    needed = max(sum(sizes[index] for index in batch) for batch in batches)
    raise InputError(
        f"{problem} in batches of at most {budget} tokens, equally many for each",
        field="token_budget",
        value=budget,
        remedy=f"--data.token_budget {needed}, fewer devices, or {counted(most, 'chain')}",
    )


def token_batches(
    sizes: Sequence[int], budget: int, *, seed: int, epoch: int, processes: int = 1
) -> list[list[int]]:
    """Return the batches of one epoch, as lists of indices.

    Items are dealt in random order, each to the batch with the fewest tokens. If no draw fits the
    budget, they are dealt largest first, which fits. For the arguments see `count_batches`.
    """
    number = count_batches(sizes, budget, processes=processes)
    rng = random.Random(f"batches/{seed}/{epoch}")
    batches = None
    for _ in range(_DRAWS):
        order = rng.sample(range(len(sizes)), len(sizes))
        if batches := _spread(order, sizes, number, budget):
            break
    else:
        batches = _spread(_largest_first(sizes, order), sizes, number, budget)
    assert batches is not None
    rng.shuffle(batches)
    return batches


class TokenBatchSampler(DistributedSampler[list[int]]):
    """Yields the batches of one process, each as a list of indices.

    A DistributedSampler, so that Lightning sets its epoch and neither wraps nor pads it. A loader
    takes it as `sampler`, with `batch_size=None`.

    Without `shuffle`, every epoch is epoch 0. `skip` is the number of batches of the next epoch
    that an interrupted run has processed.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        budget: int,
        *,
        seed: int,
        shuffle: bool = True,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        super().__init__(
            sizes,  # type: ignore[arg-type]  # only its length is used
            num_replicas=processes,
            rank=rank,
            shuffle=shuffle,
            seed=seed,
        )
        self.sizes = list(sizes)
        self.budget = budget
        self.skip = 0
        self.batches = count_batches(sizes, budget, processes=processes) // processes

    def __iter__(self) -> Iterator[list[int]]:
        batches = token_batches(
            self.sizes,
            self.budget,
            seed=self.seed,
            epoch=self.epoch if self.shuffle else 0,
            processes=self.num_replicas,
        )
        skip, self.skip = self.skip, 0
        yield from batches[self.rank :: self.num_replicas][skip:]

    def __len__(self) -> int:
        return self.batches


def ignore_signals(worker: int) -> None:
    """Leave signals to the training process, which needs its loader's workers to end its step.

    Ctrl-C goes to all processes of a terminal, and clusters send SIGTERM to all of a job.
    """
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)


def position(trainer: Any, batches: int) -> tuple[int, int]:
    """Return the epoch to continue with, and how many of its batches were processed before.

    Lightning restores a loader's epoch, but not its position among the epoch's `batches`. The
    trainer is None outside of a training.
    """
    if trainer is None:
        return 0, 0
    limit = trainer.limit_train_batches
    if limit is not None:
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    if not batches:
        return 0, 0
    loop = trainer.fit_loop
    progress, epochs = loop.epoch_loop.batch_progress, loop.epoch_progress.current.processed
    if epochs and not progress.current.processed:
        return epochs, 0  # with other devices, an epoch before may have had other batches
    epoch, skip = divmod(progress.total.processed, batches)
    if skip:
        # Lightning cannot know that the sampler continues where the run stopped
        warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended")
    return epoch, skip


def _largest_first(sizes: Sequence[int], order: Sequence[int]) -> list[int]:
    return sorted(order, key=lambda index: -sizes[index])


def _spread(
    order: Sequence[int], sizes: Sequence[int], number: int, budget: int
) -> list[list[int]] | None:
    """Deal each item to the emptiest batch; return None if a batch of several is too large."""
    batches: list[list[int]] = [[] for _ in range(number)]
    filled = [(0, place) for place in range(number)]  # a heap
    for index in order:
        tokens, emptiest = filled[0]
        batches[emptiest].append(index)
        heapq.heapreplace(filled, (tokens + sizes[index], emptiest))
        if tokens and tokens + sizes[index] > budget:
            return None
    return batches
