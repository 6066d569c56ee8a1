"""Batches of rows of similar lengths, and rows of trees."""

import pytest

from relgen.models.batching import lay_out_trees, length_batches

pytestmark = pytest.mark.compute

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


def test_a_token_sees_the_prefix_what_is_before_it_in_the_tree_and_itself():
    ids, positions, mask = lay_out_trees([([5, 6, 7, 8, 9], [-1, 0, 1, 2, 1]), ([4], [-1])], 2)
    assert ids.tolist() == [[5, 6, 7, 8, 9], [4, 0, 0, 0, 0]]
    assert positions.tolist() == [[2, 3, 4, 5, 4], [2, 2, 2, 2, 2]]
    assert mask.shape == (2, 1, 5, 7)
    assert bool(mask[..., :2].all())
    assert mask[0, 0, :, 2:].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]
    assert bool(lay_out_trees([([1], [-1]), ([2, 3], [-1, 0])])[2].any(-1).all())
