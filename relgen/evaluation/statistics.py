"""Statistics over seeds and splits: means, confidence intervals and tests of paired differences."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

_MOST_PAIRS = 16  # 2^16 sign patterns take less than a second
_GRID = 100_001


class Interval(NamedTuple):
    """A mean and the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the known values; None if there are none."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def deviation(values: Sequence[float | None]) -> float | None:
    """Return the sample standard deviation (n - 1) of the known values; None if fewer than two."""
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 else None


def paired_interval(differences: Sequence[float]) -> Interval | None:
    """Return Student's 95% interval of n differences (mean ± t · s / √n); None for fewer than two.

    >>> paired_interval([0.06, 0.05, 0.10])
    Interval(mean=0.07, low=0.0043, high=0.1357)
    """
    if len(differences) < 2:
        return None
    center = statistics.fmean(differences)
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    half = t_quantile(0.975, len(differences) - 1) * error
    return Interval(center, center - half, center + half)


def t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t distribution.

    With x = √freedom · tan(a), the density is proportional to cos(a)^(freedom - 1) on the bounded
    range from 0 to π/2, where it is integrated by the trapezoidal rule. The probability must be at
    least 0.5, and the degrees of freedom at least 1.
    """
    import numpy as np  # here, since every command imports `mean`

    angles = np.linspace(0, math.pi / 2, _GRID)
    density = np.cos(angles) ** (freedom - 1)
    mass = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    angle = np.interp(probability - 0.5, mass / mass[-1] / 2, angles)
    return math.sqrt(freedom) * math.tan(angle)


def sign_flip_p(differences: Sequence[float]) -> float | None:
    """Return the two-sided p of paired differences by the exact sign-flip test (Fisher 1935).

    It is the share of the 2^n sign patterns whose sum is at least as far from zero. It cannot be
    below 2 / 2^n, so fewer than six differences never reach 5%. Return None for fewer than two
    differences or more than sixteen.
    """
    if not 2 <= len(differences) <= _MOST_PAIRS:
        return None
    observed = abs(math.fsum(differences)) - 1e-12
    patterns = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(math.fsum(s * d for s, d in zip(p, differences, strict=True))) for p in patterns]
    return sum(total >= observed for total in sums) / len(sums)
