"""Batches of trees by token budget, in an order that depends on (seed, epoch) only.

The number of batches is the same in every epoch and a multiple of the number of processes, though
their composition changes: learning-rate schedules and resumed runs count on it. No item is
repeated or left out to get there.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Sequence

from torch.utils.data import DistributedSampler

from relgen.common import InputError

_DRAWS = 10


def count_batches(sizes: Sequence[int], budget: int, *, processes: int = 1) -> int:
    """The smallest multiple of `processes` for which the items fit their batches.

    Args:
        sizes: tokens of each item.
        budget: tokens of a batch; an item larger than it has a batch to itself.
        processes: how many take turns with the batches.

    Raises:
        InputError: fewer items than processes, or a number of them that cannot be dealt evenly
            within the budget.
    """
    order = _largest_first(sizes, list(range(len(sizes))))
    fewest = sum(min(size, budget) for size in sizes) / budget
    first = max(1, math.ceil(fewest / processes)) * processes
    for number in range(first, len(sizes) + 1, processes):
        if _spread(order, sizes, number, budget) is not None:
            return number
    problem = f"{len(sizes)} chains cannot be shared by {processes} processes"
    most = len(sizes) // processes * processes
    if not most:
        raise InputError(problem, field="token_budget", value=budget, remedy="take fewer devices")
    # some batches must hold two: the least budget for which they do
    needed = max(map(sum, _loads(order, sizes, most)))
    raise InputError(
        f"{problem} in batches of at most {budget} tokens, equally many for each",
        field="token_budget",
        value=budget,
        remedy=f"--data.token_budget {needed}, fewer devices, or {most} chains",
    )


def token_batches(
    sizes: Sequence[int], budget: int, *, seed: int, epoch: int, processes: int = 1
) -> list[list[int]]:
    """The batches of one epoch, as lists of indices.

    The items are dealt in random order, each to the batch with the fewest tokens. Should no draw
    fit the budget, they are dealt largest first, which fits (`count_batches`).

    Args:
        sizes: tokens of each item.
        budget: tokens of a batch.
        seed: with the epoch, all that the order depends on.
        epoch: from 0.
        processes: how many take turns with the batches.
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

    It is a DistributedSampler in name, so that Lightning neither wraps nor pads it and tells it
    the epoch. A loader takes it as `sampler` with `batch_size=None`.

    Args:
        sizes: tokens of each item.
        budget: tokens of a batch.
        seed: of the order.
        shuffle: off, every epoch is epoch 0.
        epoch: to begin with; Lightning sets the later ones.
        skip: batches of the first epoch that an interrupted run has had already.
        rank: of this process.
        processes: in all.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        budget: int,
        *,
        seed: int,
        shuffle: bool = True,
        epoch: int = 0,
        skip: int = 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        super().__init__(
            sizes,  # type: ignore[arg-type]  # only its length is asked for
            num_replicas=processes,
            rank=rank,
            shuffle=shuffle,
            seed=seed,
        )
        self.sizes = list(sizes)
        self.budget = budget
        self.epoch = epoch
        self.skip = skip
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


def _largest_first(sizes: Sequence[int], order: Sequence[int]) -> list[int]:
    return sorted(order, key=lambda index: -sizes[index])


def _loads(order: Sequence[int], sizes: Sequence[int], number: int) -> list[list[int]]:
    """The sizes in each batch when items are dealt to the emptiest, whatever it holds by then."""
    batches = _spread(order, sizes, number, sum(sizes))
    assert batches is not None
    return [[sizes[index] for index in batch] for batch in batches]


def _spread(
    order: Sequence[int], sizes: Sequence[int], number: int, budget: int
) -> list[list[int]] | None:
    """Deals items to the emptiest batch; None when a batch with several goes over the budget."""
    batches: list[list[int]] = [[] for _ in range(number)]
    filled = [(0, place) for place in range(number)]  # a heap
    for index in order:
        tokens, emptiest = filled[0]
        batches[emptiest].append(index)
        heapq.heapreplace(filled, (tokens + sizes[index], emptiest))
        if tokens and tokens + sizes[index] > budget:
            return None
    return batches
