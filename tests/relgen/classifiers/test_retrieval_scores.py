"""Nearest neighbours and what they make of a prediction, by hand and by numpy."""

import math

import numpy as np
import pytest
import torch

from relgen.classifiers.retrieval_scores import (
    Neighbours,
    interpolated,
    nearest,
    neighbour_probabilities,
    released_interpolated,
    released_neighbour_probabilities,
)

# one query, whose four neighbours have relations 0, 1, 0 and, uncertain, 1 or 2
FOUR = Neighbours(
    torch.tensor([[1.0, 2.0, 4.0, 5.0]]),
    torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0],
                   [0.0, 0.4, 0.6, 0.0]]]),
)  # fmt: skip


def test_the_search_is_exact():
    generator = torch.Generator().manual_seed(0)
    # far from the origin, where a distance as a difference of products would be noise
    keys = 300 + torch.randn(50, 6, generator=generator)
    queries = 300 + torch.randn(7, 6, generator=generator)
    values = torch.rand(50, 3, generator=generator)
    found = nearest(queries, keys, values, 4)
    squares = ((queries.numpy()[:, None] - keys.numpy()[None]) ** 2).sum(-1)
    rows = squares.argsort(axis=1)[:, :4]
    np.testing.assert_allclose(found.distances, np.take_along_axis(squares, rows, 1), rtol=1e-4)
    np.testing.assert_array_equal(found.values, values.numpy()[rows])


def test_a_small_store_gives_all_it_has():
    found = nearest(torch.zeros(2, 3), torch.ones(5, 3), torch.eye(5), 64)
    assert found.distances.shape == (2, 5)
    assert found.values.shape == (2, 5, 5)


def test_neighbour_probabilities_by_hand():
    w = [math.exp(-d / 2) for d in (1, 2, 4, 5)]
    expected = [w[0] + w[2], w[1] + 0.4 * w[3], 0.6 * w[3], 0.0]
    found = neighbour_probabilities(FOUR, 2.0)[0].tolist()
    assert found == pytest.approx([value / sum(w) for value in expected])
    nearest_two = neighbour_probabilities(FOUR.first(2), 2.0)[0].tolist()
    assert nearest_two == pytest.approx([w[0] / (w[0] + w[1]), w[1] / (w[0] + w[1]), 0, 0])


def test_interpolation_by_hand():
    lm, knn = torch.tensor([[0.7, 0.3, 0.0]]), torch.tensor([[0.1, 0.9, 0.0]])
    scores = interpolated(lm, knn, 0.25)
    # 0.25 * 0.1 + 0.75 * 0.7 and 0.25 * 0.9 + 0.75 * 0.3
    assert scores[0, :2].exp().tolist() == pytest.approx([0.55, 0.45])
    assert scores.softmax(dim=-1)[0].tolist() == pytest.approx([0.55, 0.45, 0.0])
    assert scores.isfinite().all()


def test_released_neighbour_probabilities_by_hand():
    # the nearest of each relation: 1, 2 and 5; relation 3 has none
    w = [math.exp(-1 / 10), math.exp(-2 / 10), math.exp(-5 / 10), math.exp(-1000 / 10)]
    found = released_neighbour_probabilities(FOUR, 10.0)[0].tolist()
    assert found == pytest.approx([value / sum(w) for value in w], rel=1e-5, abs=1e-12)
    few = Neighbours(900 + FOUR.distances[:, :2], FOUR.values[:, :2])
    w = [math.exp(-901 / 10), math.exp(-902 / 10), math.exp(-100), math.exp(-100)]
    found = released_neighbour_probabilities(few, 10.0)[0].tolist()
    assert found == pytest.approx([value / sum(w) for value in w], rel=1e-4)


def test_released_probabilities_are_finite_where_the_released_code_divides_0_by_0():
    far = Neighbours(FOUR.distances + 5000, FOUR.values)
    assert released_neighbour_probabilities(far, 10.0)[0].tolist() == pytest.approx([0, 0, 0, 1])


def test_released_interpolation_against_numpy():
    generator = np.random.default_rng(0)
    lm, knn = generator.dirichlet([1.0] * 4, 5), generator.dirichlet([1.0] * 4, 5)
    # as it is published: probabilities in logsumexp
    expected = np.logaddexp(lm + np.log(1 - 0.3), knn + np.log(0.3))
    found = released_interpolated(torch.tensor(lm), torch.tensor(knn), 0.3)
    np.testing.assert_allclose(found, expected)
    assert ((expected > 0) & (expected < 1)).all()
