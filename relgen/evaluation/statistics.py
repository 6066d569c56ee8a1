"""Statistics over seeds, splits and test sentences: means, intervals and tests of differences.

Two arms are always compared in pairs, on the same splits and the same sentences, so that what is
hard for both does not widen the interval.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

_MOST_PAIRS = 16  # 2^16 sign patterns still take well under a second
_DRAWS = 2000
_DRAWS_AT_ONCE = 250  # of 2000, to bound the memory
_GRID = 100_001


class Interval(NamedTuple):
    """A mean and the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are known; None when none is."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def deviation(values: Sequence[float | None]) -> float | None:
    """Return the sample standard deviation (n - 1) of the known values; None for fewer than two."""
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 else None


def paired_interval(differences: Sequence[float], *, coverage: float = 0.95) -> Interval | None:
    """Return Student's interval of a mean difference: mean ± t · s / √n, n - 1 degrees of freedom.

        >>> paired_interval([0.06, 0.05, 0.10])
        Interval(mean=0.07, low=0.0043, high=0.1357)

    Args:
        differences: one for each of n splits.
        coverage: between 0 and 1.

    Returns:
        None for fewer than two differences, since their spread is not known.
    """
    if len(differences) < 2:
        return None
    center = statistics.fmean(differences)
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    half = t_quantile(0.5 + coverage / 2, len(differences) - 1) * error
    return Interval(center, center - half, center + half)


def t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t distribution, for a probability of at least one half.

    With x = √freedom · tan(a) the density is proportional to cos(a)^(freedom - 1) on the bounded
    range from 0 to π/2, where it is integrated by the trapezoidal rule.

    Args:
        probability: from 0.5 to below 1.
        freedom: degrees of freedom, at least 1.
    """
    angles = np.linspace(0, math.pi / 2, _GRID)
    density = np.cos(angles) ** (freedom - 1)
    mass = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    angle = np.interp(probability - 0.5, mass / mass[-1] / 2, angles)
    return math.sqrt(freedom) * math.tan(angle)


def sign_flip_p(differences: Sequence[float]) -> float | None:
    """Return the two-sided p of paired differences by the exact sign-flip test (Fisher 1935).

    It is the share of the 2^n ways of choosing signs whose sum is at least as far from zero. With n
    seeds it cannot be below 2 / 2^n, so that fewer than six never reach 5%.

    Returns:
        None for fewer than two differences, or more than sixteen.
    """
    if not 2 <= len(differences) <= _MOST_PAIRS:
        return None
    observed = abs(math.fsum(differences)) - 1e-12
    patterns = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(math.fsum(s * d for s, d in zip(p, differences, strict=True))) for p in patterns]
    return sum(total >= observed for total in sums) / len(sums)


def outcomes(
    predicted: Mapping[str, str | None], gold: Mapping[str, str], negative: str | None
) -> np.ndarray:
    """Return the contribution of each test sentence to the counts of micro-F1.

    Args:
        predicted: label by sentence id; None where no label was named.
        gold: label by sentence id.
        negative: the label that does not count.

    Returns:
        (N, 3): hit, predicted positive, gold positive, each 0 or 1.
    """
    rows = [
        (
            predicted[name] == label and label != negative,
            # an answer without a label is always wrong, as in `score_labels`
            predicted[name] is None or predicted[name] != negative,
            label != negative,
        )
        for name, label in gold.items()
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def paired_bootstrap(
    ours: Sequence[Sequence[np.ndarray]],
    theirs: Sequence[Sequence[np.ndarray]],
    *,
    coverage: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return the mean difference of micro-F1 and its percentile interval by the paired bootstrap.

    Both systems are scored on the same resampled sentences and splits (Efron and Tibshirani 1993,
    chapter 16; Berg-Kirkpatrick et al., EMNLP 2012).

    Args:
        ours: for each of S splits the outcomes (N, 3) of one system's I trainings on it. A split's
            score is the mean over its trainings.
        theirs: the same for the other system, on the same splits and sentences; it may have
            another number of trainings.
        coverage: between 0 and 1.
        seed: of the draws.

    Raises:
        ValueError: no split, or different numbers of them.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"the systems have {len(ours)} and {len(theirs)} splits")
    generator = np.random.default_rng(seed)
    sentences, splits = len(ours[0][0]), len(ours)
    draws = []
    for _ in range(_DRAWS // _DRAWS_AT_ONCE):
        weights = generator.multinomial(
            sentences, np.full(sentences, 1 / sentences), _DRAWS_AT_ONCE
        )
        chosen = generator.multinomial(splits, np.full(splits, 1 / splits), _DRAWS_AT_ONCE)
        difference = _micro_f1(ours, weights) - _micro_f1(theirs, weights)  # (B, S)
        draws.append((difference * chosen).sum(1) / splits)
    whole = np.ones((1, sentences))
    center = float((_micro_f1(ours, whole) - _micro_f1(theirs, whole)).mean())
    tail = (1 - coverage) / 2
    low, high = np.quantile(np.concatenate(draws), (tail, 1 - tail))
    return Interval(center, float(low), float(high))


def _micro_f1(system: Sequence[Sequence[np.ndarray]], weights: np.ndarray) -> np.ndarray:
    """Return micro-F1 (B, S) of every split under each of B weightings (B, N) of the sentences."""
    columns = []
    for trainings in system:
        counts = np.stack([weights @ outcome for outcome in trainings])  # (I, B, 3)
        total = counts[..., 1] + counts[..., 2]
        f1 = np.divide(2 * counts[..., 0], total, out=np.zeros_like(total), where=total > 0)
        columns.append(f1.mean(0))
    return np.stack(columns, axis=1)
