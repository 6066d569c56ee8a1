"""Intervals against published quantiles, and the sign-flip test by hand."""

from __future__ import annotations

import math
import statistics

import pytest

from relgen.evaluation.statistics import (
    paired_interval,
    sign_flip_p,
    t_quantile,
)


@pytest.mark.parametrize(
    ("probability", "freedom", "published"),
    [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.3027),
        (0.975, 9, 2.2622),
        (0.975, 30, 2.0423),
        (0.95, 9, 1.8331),
        (0.995, 4, 4.6041),
        (0.5, 7, 0.0),
    ],
)
def test_quantiles_are_those_of_the_tables(
    probability: float, freedom: int, published: float
) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(published, abs=5e-5)


def test_an_interval_by_hand() -> None:
    differences = [0.06, 0.05, 0.10]
    mean, low, high = paired_interval(differences)
    assert mean == pytest.approx(0.07)
    half = 4.3027 * statistics.stdev(differences) / math.sqrt(3)
    assert (low, high) == (
        pytest.approx(0.07 - half, abs=1e-5),
        pytest.approx(0.07 + half, abs=1e-5),
    )


def test_more_spread_is_wider_and_one_difference_has_no_interval() -> None:
    narrow, wide = paired_interval([0.1, 0.2, 0.4]), paired_interval([0.1, 0.2, 0.7])
    assert wide.low < narrow.low < narrow.high < wide.high
    assert paired_interval([0.1]) is None


def test_sign_flip_by_hand() -> None:
    assert sign_flip_p([0.1, 0.2, 0.3]) == pytest.approx(2 / 8)
    # sums of ±1 ±1 ±1 ±3 with |sum| >= 4: ++++ (6), three of -+++ kind (4), and their mirrors
    assert sign_flip_p([1.0, 1.0, 1.0, 3.0]) == pytest.approx(2 / 16)
    assert sign_flip_p([1.0, -1.0]) == 1.0
    assert sign_flip_p([1.0]) is None
