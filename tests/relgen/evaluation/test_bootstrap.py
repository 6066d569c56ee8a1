"""The paired bootstrap: its counts by hand, its mean exactly, its interval where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from relgen.evaluation.bootstrap import outcomes, paired_bootstrap


def test_what_a_sentence_adds() -> None:
    gold = {"1": "a", "2": "a", "3": "none", "4": "none", "5": "b", "6": "a"}
    said = {"1": "a", "2": "b", "3": "none", "4": "a", "5": "none", "6": None}
    assert outcomes(said, gold, "none").astype(int).tolist() == [
        [1, 1, 1],
        [0, 1, 1],
        [0, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [0, 1, 1],
    ]
    # without a negative label everything counts, and micro-F1 is accuracy
    assert outcomes(said, gold, None)[:, 1:].all()


def system(
    rng: np.random.Generator, share: float, splits: int, number: int
) -> list[list[np.ndarray]]:
    """Right about a share of `number` positive sentences, drawn anew for each split."""
    hits = (rng.random((splits, number)) < share).astype(float)
    return [[np.stack([row, np.ones(number), np.ones(number)], axis=1)] for row in hits]


def test_the_mean_is_that_of_the_scores() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = system(rng, 0.7, 3, 400), system(rng, 0.5, 3, 400)
    found = paired_bootstrap(ours, theirs)
    expected = np.mean(
        [o[0][:, 0].mean() - t[0][:, 0].mean() for o, t in zip(ours, theirs, strict=True)]
    )
    assert found.mean == pytest.approx(expected)
    assert found.low < found.mean < found.high
    again = paired_bootstrap(ours, theirs)
    assert again == found


def test_trainings_are_averaged() -> None:
    rng = np.random.default_rng(2)
    (first,), (second,) = system(rng, 0.7, 2, 300)
    (other,) = system(rng, 0.5, 1, 300)[0]
    found = paired_bootstrap([[first, second]], [[other]])
    expected = (first[:, 0].mean() + second[:, 0].mean()) / 2 - other[:, 0].mean()
    assert found.mean == pytest.approx(expected)


def test_equal_systems_differ_by_nothing_and_a_shared_difficulty_does_not_widen() -> None:
    rng = np.random.default_rng(3)
    ours = system(rng, 0.6, 4, 500)
    same = paired_bootstrap(ours, ours)
    assert (same.mean, same.low, same.high) == (0.0, 0.0, 0.0)
    # right about the same sentences but one in fifty: far narrower than two independent systems
    better = [[row.copy()] for (row,) in ours]
    for (row,) in better:
        row[::50, 0] = 1.0
    paired = paired_bootstrap(better, ours)
    unpaired = paired_bootstrap(system(rng, 0.61, 4, 500), ours)
    assert paired.low > 0
    assert paired.high - paired.low < 0.5 * (unpaired.high - unpaired.low)


def test_the_interval_of_one_split_is_the_binomials() -> None:
    """Accuracy of one system against one that is never right: a plain proportion."""
    number = 1000
    row = np.stack([np.arange(number) % 10 < 3, np.ones(number), np.ones(number)], axis=1).astype(
        float
    )
    never = row * [0, 1, 1]
    found = paired_bootstrap([[row]], [[never]])
    half = 1.96 * (0.3 * 0.7 / number) ** 0.5
    assert found.mean == pytest.approx(0.3)
    assert (found.low, found.high) == pytest.approx((0.3 - half, 0.3 + half), abs=0.004)


def test_splits_are_drawn_too() -> None:
    """Two splits with differences of 0 and 0.2: both are drawn, or one of them twice."""
    rng = np.random.default_rng(5)
    number = 4000
    low, high = ((rng.random(number) < 0.5).astype(float) for _ in range(2))
    better = high.copy()
    better[np.flatnonzero(high == 0)[: number // 5]] = 1.0

    def of(hits: np.ndarray) -> list[np.ndarray]:
        return [np.stack([hits, np.ones(number), np.ones(number)], axis=1)]

    found = paired_bootstrap([of(low), of(better)], [of(low), of(high)])
    assert found.mean == pytest.approx(0.1)
    assert found.low == pytest.approx(0.0, abs=0.01)
    assert found.high == pytest.approx(0.2, abs=0.02)


def test_splits_must_match() -> None:
    with pytest.raises(ValueError, match="1 and 0 splits"):
        paired_bootstrap([[np.zeros((1, 3))]], [])
