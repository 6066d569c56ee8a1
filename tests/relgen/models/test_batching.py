"""Batches of rows of similar lengths."""

import pytest

from relgen.models.batching import length_batches

LENGTHS = [5, 9, 7, 30, 4, 8, 6, 12, 10, 11, 3, 20]


def test_length_batches_hold_a_budget_with_their_padding():
    assert length_batches([5, 30, 9, 7], 30) == [[1], [2, 3, 0]]
    assert length_batches([5, 30, 9, 7], 20) == [[1], [2, 3], [0]]
    assert length_batches([], 20) == []


@pytest.mark.parametrize("budget", [1, 24, 60, 1000])
def test_length_batches_see_every_row_once(budget):
    found = length_batches(LENGTHS, budget)
    assert sorted(row for batch in found for row in batch) == list(range(12))
    sizes = [len(batch) * max(LENGTHS[row] for row in batch) for batch in found if len(batch) > 1]
    assert max(sizes, default=0) <= budget
