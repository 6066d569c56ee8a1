"""Paired differences between two arms: one for each split, and what they are worth together."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

_MOST_PAIRS = 16  # 2^16 sign patterns still take well under a second
_SLICES = 400


class Interval(NamedTuple):
    """A mean, and the ends of the interval that covers the true one."""

    mean: float
    low: float
    high: float


def paired_interval(differences: Sequence[float], *, coverage: float = 0.95) -> Interval | None:
    """Student's interval of the mean difference: mean ± t · s / √n, n - 1 degrees of freedom.

        >>> paired_interval([0.06, 0.05, 0.10])
        Interval(mean=0.07, low=0.0043, high=0.1357)

    Args:
        differences: one for each of n splits.
        coverage: between 0 and 1.

    Returns:
        None for fewer than two differences: they have no spread.
    """
    if len(differences) < 2:
        return None
    mean = statistics.fmean(differences)
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    half = t_quantile(0.5 + coverage / 2, len(differences) - 1) * error
    return Interval(mean, mean - half, mean + half)


def t_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t distribution, for a probability of at least one half.

    With x = √freedom · tan(a) the density becomes a power of cos(a) on a bounded range: Simpson's
    rule for the mass between 0 and a, and bisection for the quantile.

    Args:
        probability: from 0.5 to below 1.
        freedom: degrees of freedom, at least 1.
    """
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)

    def mass(angle: float) -> float:
        step = angle / _SLICES
        weights = itertools.chain((1,), itertools.cycle((4, 2)))
        values = (math.cos(i * step) ** (freedom - 1) for i in range(_SLICES))
        inner = sum(w * v for w, v in zip(weights, values, strict=False))
        return scale * step / 3 * (inner + math.cos(angle) ** (freedom - 1))

    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if mass(middle) < probability - 0.5 else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def sign_flip_p(differences: Sequence[float]) -> float | None:
    """Two-sided p of paired differences by the exact sign-flip test (Fisher 1935).

    The share of the 2^n ways of choosing signs whose sum is at least as far from zero. With n
    seeds it cannot go below 2 / 2^n, so that fewer than six never reach 5 %.

    Returns:
        None for fewer than two differences, or more than sixteen.
    """
    if not 2 <= len(differences) <= _MOST_PAIRS:
        return None
    observed = abs(math.fsum(differences)) - 1e-12
    patterns = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(math.fsum(s * d for s, d in zip(p, differences, strict=True))) for p in patterns]
    return sum(total >= observed for total in sums) / len(sums)
