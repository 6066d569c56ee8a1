"""Confidence intervals of micro-F1 differences by the paired bootstrap, over sentences and splits.

Both systems are scored on the same resampled sentences and splits, so that common variation does
not widen the interval (Efron and Tibshirani 1993, chapter 16; Berg-Kirkpatrick et al., EMNLP 2012).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from relgen.evaluation.statistics import Interval

_DRAWS = 2000
_DRAWS_AT_ONCE = 250  # bounds the memory


def outcomes(
    predicted: Mapping[str, str | None], gold: Mapping[str, str], negative: str | None
) -> np.ndarray:
    """Return each test sentence's contribution to the counts behind micro-F1.

    The labels are given by sentence id; None stands for an answer that names no label.

    Returns:
        (N, 3): hit, predicted positive, gold positive, each 0 or 1.
    """
    rows = [
        (
            predicted[name] == label and label != negative,
            # None counts as a positive prediction, as in `score_labels`
            predicted[name] is None or predicted[name] != negative,
            label != negative,
        )
        for name, label in gold.items()
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def paired_bootstrap(
    ours: Sequence[Sequence[np.ndarray]],
    theirs: Sequence[Sequence[np.ndarray]],
) -> Interval:
    """Return the mean difference of micro-F1 and its percentile interval of 95%.

    Each system has, for each of S splits, the outcomes (N, 3) of its trainings on it, on the same
    sentences. A split's score is the mean over its trainings.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(
            f"the systems have {len(ours)} and {len(theirs)} splits: give equal numbers"
        )
    generator = np.random.default_rng(0)
    sentences, splits = len(ours[0][0]), len(ours)
    draws = []
    for _ in range(_DRAWS // _DRAWS_AT_ONCE):
        weights, chosen = (
            generator.multinomial(number, np.full(number, 1 / number), _DRAWS_AT_ONCE)
            for number in (sentences, splits)
        )
        difference = _micro_f1(ours, weights) - _micro_f1(theirs, weights)  # (B, S)
        draws.append((difference * chosen).sum(1) / splits)
    whole = np.ones((1, sentences))
    center = float((_micro_f1(ours, whole) - _micro_f1(theirs, whole)).mean())
    low, high = np.quantile(np.concatenate(draws), (0.025, 0.975))
    return Interval(center, float(low), float(high))


def _micro_f1(system: Sequence[Sequence[np.ndarray]], weights: np.ndarray) -> np.ndarray:
    """Return micro-F1 (B, S) of each split under B weightings (B, N) of the sentences."""
    columns = []
    for trainings in system:
        counts = np.stack([weights @ outcome for outcome in trainings])  # (I, B, 3)
        total = counts[..., 1] + counts[..., 2]
        f1 = np.divide(2 * counts[..., 0], total, out=np.zeros_like(total), where=total > 0)
        columns.append(f1.mean(0))
    return np.stack(columns, axis=1)
