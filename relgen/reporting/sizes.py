"""Finds the number of generated samples at which micro-F1 levels off."""

from __future__ import annotations

import itertools
import statistics
from typing import NamedTuple

from relgen.evaluation import deviation
from relgen.experiments import parse_arm
from relgen.reporting.charts import Chart, line_chart
from relgen.reporting.comparison import Runs
from relgen.reporting.data import is_part

ScoresBySize = dict[int, dict[int, float]]
"""micro-F1 by number of generated samples, then by seed."""


class SizeCurve(NamedTuple):
    """Scores by the number of generated samples per relation, in one run.

    Args:
        points: number of samples, mean score, and its standard deviation over seeds.
        level: the number from which more samples have no measurable effect: the smallest whose
            score no larger number exceeds by more than a standard error of the paired differences.
            None for a single seed, and for a curve with a peak.
        peak: the number with the highest score, if the score of the largest number is lower by more
            than a standard error.
        rest: the score of the largest number minus that of `level` or `peak`, and its standard
            error.
    """

    title: str
    points: list[tuple[int, float, float | None]]
    level: int | None = None
    peak: int | None = None
    rest: tuple[float, float] | None = None


def size_curves(runs: Runs) -> list[SizeCurve]:
    """Return a curve for each classifier and each arm that a run has parts of (`obo_dpo_mix@8`)."""
    found = []
    for label, run in runs.items():
        stems = dict.fromkeys(a.partition("@")[0] for a in run.arm_names if is_part(a))
        for stem, classifier in itertools.product(stems, run.classifiers):
            scores: ScoresBySize = {}
            for arm in run.arm_names:
                size = parse_arm(arm).first or run.generator.get("samples")
                of = run.by_seed(arm, classifier)
                if size and of and arm.partition("@")[0] == stem:
                    scores[size] = of
            if len(scores) > 1:
                found.append(_curve(f"{label}: {stem}, {classifier}", scores))
    return found


def _curve(title: str, scores: ScoresBySize) -> SizeCurve:
    points = [
        (n, statistics.fmean(of.values()), deviation(list(of.values())))
        for n, of in sorted(scores.items())
    ]
    level = level_off(scores)
    if level is None:
        return SizeCurve(title, points)
    peak = max(points, key=lambda point: point[1])[0]
    drop = _gain(scores, peak, max(scores))
    if drop is not None and drop[0] < -drop[1]:
        return SizeCurve(title, points, None, peak, drop)
    return SizeCurve(title, points, level, None, _gain(scores, level, max(scores)))


def level_off(scores: ScoresBySize) -> int | None:
    """Return the number of samples from which the scores level off; see `SizeCurve`."""
    sizes = sorted(scores)
    for place, size in enumerate(sizes[:-1], start=1):
        gains = [_gain(scores, size, larger) for larger in sizes[place:]]
        known = [found for found in gains if found]
        if len(known) < len(gains):
            return None
        if all(gain <= error for gain, error in known):
            return size
    return None


def _gain(scores: ScoresBySize, size: int, larger: int) -> tuple[float, float] | None:
    """Return the mean difference paired by seed and its standard error; None below two seeds."""
    seeds = scores[size].keys() & scores[larger].keys()
    differences = [scores[larger][seed] - scores[size][seed] for seed in seeds]
    spread = deviation(differences)
    return None if spread is None else (statistics.fmean(differences), spread / len(seeds) ** 0.5)


def size_chart(curves: list[SizeCurve]) -> Chart | None:
    """Draw all curves in one chart."""
    series = [(c.title, [(float(n), 100 * score) for n, score, _ in c.points]) for c in curves]
    return line_chart("micro-F1, %", series, x_label="generated samples per relation")
