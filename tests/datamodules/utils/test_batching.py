from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest
from torch.utils.data import DataLoader

from datamodules.utils.batching import (
    TokenBatchSampler,
    count_batches,
    ignore_signals,
    position,
    token_batches,
)
from relgen.common.errors import InputError

SIZES = [50, 40, 30, 30, 20, 20, 10]


def test_fewest_batches_that_fit():
    assert count_batches(SIZES, 100) == 2
    assert count_batches(SIZES, 70) == 3
    assert count_batches(SIZES, 1) == 7
    assert count_batches(SIZES, 100, processes=3) == 3


def test_an_epoch_holds_every_item_once_within_the_budget():
    for epoch in range(20):
        batches = token_batches(SIZES, 70, seed=1, epoch=epoch)
        assert len(batches) == 3
        assert sorted(index for batch in batches for index in batch) == [0, 1, 2, 3, 4, 5, 6]
        assert all(sum(SIZES[index] for index in batch) <= 70 for batch in batches)


def test_an_item_over_the_budget_is_alone():
    batches = token_batches([500, 10, 10], 100, seed=1, epoch=0)
    assert sorted(map(sorted, batches)) == [[0], [1, 2]]


def test_order_depends_on_seed_and_epoch_only():
    first = token_batches(SIZES, 100, seed=1, epoch=4)
    assert first == token_batches(SIZES, 100, seed=1, epoch=4)
    assert first != token_batches(SIZES, 100, seed=1, epoch=5)
    assert first != token_batches(SIZES, 100, seed=2, epoch=4)


def test_processes_share_without_repeats():
    seen = []
    for rank in range(3):
        sampler = TokenBatchSampler(SIZES, 100, seed=1, rank=rank, processes=3)
        assert len(sampler) == 1
        seen += [index for batch in sampler for index in batch]
    assert sorted(seen) == [0, 1, 2, 3, 4, 5, 6]
    with pytest.raises(InputError, match="2 chains cannot be divided among 3 processes"):
        count_batches([10, 10], 100, processes=3)


def test_where_chains_cannot_be_dealt_the_message_names_a_budget_that_works():
    with pytest.raises(InputError, match=r"--data\.token_budget 30, fewer devices, or 2 chains"):
        count_batches([10, 20, 25], 1, processes=2)
    assert count_batches([10, 20, 25], 30, processes=2) == 2


class Ignored:
    """An item says whether its process ignores a signal."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return signal.getsignal((signal.SIGINT, signal.SIGTERM)[index]) is signal.SIG_IGN


@pytest.mark.processes
def test_workers_leave_signals_to_the_training_process():
    loader = DataLoader(Ignored(), batch_size=None, num_workers=1, worker_init_fn=ignore_signals)
    assert list(loader) == [True, True]


def test_a_resumed_epoch_skips_what_is_done_once():
    resumed = TokenBatchSampler(SIZES, 70, seed=1)
    resumed.set_epoch(2)
    whole = list(resumed)
    resumed.skip = 1
    assert list(resumed) == whole[1:]
    assert list(resumed) == whole
    assert len(resumed) == 3


@pytest.mark.parametrize(
    ("epochs", "current", "total", "expected"),
    [
        (0, 0, 0, (0, 0)),
        (0, 3, 3, (0, 3)),
        (1, 0, 10, (1, 0)),
        (1, 3, 13, (1, 3)),
        (2, 0, 10, (2, 0)),  # two epochs of five batches each, on twice as many devices
    ],
)
def test_where_a_run_continues(
    epochs: int, current: int, total: int, expected: tuple[int, int]
) -> None:
    batches = SimpleNamespace(
        current=SimpleNamespace(processed=current), total=SimpleNamespace(processed=total)
    )
    loop = SimpleNamespace(
        epoch_loop=SimpleNamespace(batch_progress=batches),
        epoch_progress=SimpleNamespace(current=SimpleNamespace(processed=epochs)),
    )
    trainer = SimpleNamespace(limit_train_batches=None, fit_loop=loop)
    assert position(trainer, 10) == expected
