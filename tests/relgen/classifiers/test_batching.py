"""Which rows make up which batch."""

import random
from collections import Counter

import pytest

from relgen.classifiers.batching import (
    TrainingBatches,
    draw_rows,
    evaluation_batches,
    sorting_window,
)

pytestmark = pytest.mark.compute

LABELS = [0] * 8 + [1] * 3 + [2]
LENGTHS = [5, 9, 7, 30, 4, 8, 6, 12, 10, 11, 3, 20]
HUMAN = [False] * 12


def batches(epoch=0, **options):
    settings = {"batch_size": 3, "steps": 8, "seed": 1, **options}
    made = TrainingBatches(LABELS, LENGTHS, settings.pop("generated", HUMAN), **settings)
    made.set_epoch(epoch)
    return list(made)


def test_balanced_drawing_gives_every_label_its_share():
    rows = [row for batch in batches() for row in batch]
    assert Counter(LABELS[row] for row in rows) == {0: 8, 1: 8, 2: 8}
    # within a label, all rows come before any comes again
    assert Counter(row for row in rows if LABELS[row] == 0) == dict.fromkeys(range(8), 1)
    assert sorted(Counter(row for row in rows if LABELS[row] == 1).values()) == [2, 3, 3]


def test_plain_drawing_visits_all_rows_before_any_again():
    rows = [row for batch in batches(balanced=False) for row in batch]
    assert Counter(rows) == dict.fromkeys(range(12), 2)


def test_the_order_depends_on_seed_and_epoch_only():
    assert batches(3) == batches(3)
    assert batches(3) != batches(4)
    assert batches(3) != batches(3, seed=2)


def test_epochs_go_on_where_the_one_before_ended():
    first, second = batches(0, balanced=False, steps=2), batches(1, balanced=False, steps=2)
    rows = [row for batch in first + second for row in batch]
    assert sorted(rows) == list(range(12))


def test_generated_rows_come_first():
    generated = [row % 2 == 0 for row in range(12)]
    made = [batches(epoch, generated=generated, generated_steps=12) for epoch in range(3)]
    steps = [{generated[row] for row in batch} for epoch in made for batch in epoch]
    assert steps == [{True}] * 12 + [{False}] * 12


def test_processes_share_the_batches():
    parts = [batches(rank=rank, world=2, balanced=False, steps=2) for rank in range(2)]
    assert [len(part) for part in parts] == [2, 2]
    assert sorted(row for part in parts for batch in part for row in batch) == list(range(12))


@pytest.mark.parametrize(
    ("batches", "window"), [(0, 1), (3, 3), (9, 4), (39, 4), (80, 6), (250, 20), (1000, 32)]
)
def test_what_is_sorted_grows_with_the_pass(batches, window):
    assert sorting_window(batches) == window


def test_drawing_is_endless():
    stream = draw_rows([4], [0] * 5, balanced=True, seed="x")
    assert [next(stream) for _ in range(3)] == [4, 4, 4]


@pytest.mark.parametrize(("count", "world"), [(12, 1), (12, 2), (11, 3), (7, 2), (1, 2)])
def test_evaluation_sees_every_row_once(count, world):
    parts = [evaluation_batches(LENGTHS[:count], 3, rank=r, world=world) for r in range(world)]
    assert sorted(row for part in parts for batch in part for row in batch) == list(range(count))
    if count >= 2 * world:
        assert len({len(part) for part in parts}) == 1


def test_evaluation_batches_have_similar_lengths():
    assert [[LENGTHS[row] for row in batch] for batch in evaluation_batches(LENGTHS, 4)] == [
        [30, 20, 12, 11],
        [10, 9, 8, 7],
        [6, 5, 4, 3],
    ]


def test_side_by_side_gives_each_source_its_share_of_every_batch():
    generated = [row >= 4 for row in range(12)]
    made = batches(generated=generated, batch_size=4, generated_rows=3, steps=8)
    assert {sum(generated[row] for row in batch) for batch in made} == {3}
    assert {len(batch) for batch in made} == {4}
    # generated rows evenly, whatever their labels; three times eight of eight rows
    drawn = Counter(row for batch in made for row in batch if generated[row])
    assert drawn == dict.fromkeys(range(4, 12), 3)
    # a second epoch goes on, and processes share the batches out
    first, second = (
        batches(epoch, generated=generated, batch_size=4, generated_rows=3, steps=4)
        for epoch in (0, 1)
    )
    rows = Counter(row for batch in made for row in batch)
    assert Counter(row for batch in first + second for row in batch) == rows
    ranks = [
        batches(generated=generated, batch_size=4, generated_rows=3, steps=4, rank=r, world=2)
        for r in (0, 1)
    ]
    assert [batch for pair in zip(*ranks, strict=True) for batch in pair] == made


def test_side_by_side_puts_short_rows_beside_short_ones():
    rng = random.Random(1)
    lengths = [rng.randint(5, 60) for _ in range(400)]
    generated = [row >= 200 for row in range(400)]
    options = {"batch_size": 8, "steps": 50, "seed": 1, "generated_rows": 4}
    made = list(TrainingBatches([0] * 400, lengths, generated, **options))
    padded = sum(len(batch) * max(lengths[row] for row in batch) for batch in made)
    tokens = sum(lengths[row] for batch in made for row in batch)
    drawn = [row for batch in made for row in batch]
    rng.shuffle(drawn)
    mixed = [drawn[start : start + 8] for start in range(0, 400, 8)]
    unsorted = sum(8 * max(lengths[row] for row in batch) for batch in mixed)
    # all rows stand in one batch or another once, so that both carry the same tokens
    assert sorted(drawn) == list(range(400))
    assert (padded - tokens) < 0.5 * (unsorted - tokens)
    # and the batches do not come from short to long
    sizes = [max(lengths[row] for row in batch) for batch in made]
    assert sizes != sorted(sizes)
