"""micro-F1 against the number of generated samples, and where it levels off."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from relgen.evaluation import deviation
from relgen.experiments import parse_arm
from relgen.reporting import charts, tables
from relgen.reporting.comparison import Compared
from relgen.reporting.naming import is_part


@dataclass(frozen=True)
class SizeCurve:
    """Scores against the number of generated samples a relation, in one run with one classifier.

    `points` are that number, the mean score, and its standard deviation over several seeds.
    `level` is the number from which more samples bring nothing that can be told from noise: the
    smallest whose score no larger one exceeds by more than a standard error of the paired
    differences. None for a single seed. `left` is what the largest number has more than that one,
    and the standard error of this. Where the largest number has less than the highest score by more
    than a standard error, the curve falls and does not level off: `peak` is the highest one's
    number, and `left` counts from there.
    """

    title: str
    points: list[tuple[int, float, float | None]]
    level: int | None
    left: tuple[float, float] | None = None
    peak: int | None = None

    @property
    def ending(self) -> str:
        """How the curve goes on, in words."""
        if self.peak is None and self.level is None:
            return "no level-off point"
        said = f"levels off at {self.level}"
        if self.peak is not None:
            said = f"highest at {self.peak}, falls after it"
        if self.left is None:
            return said
        gain, error = self.left
        more, around = tables.points(gain), f"{100 * error:.1f}"
        return f"{said} (the largest number: {more}, standard error {around})"


def size_curves(runs: Sequence[Compared]) -> list[SizeCurve]:
    """A curve for each arm of which a run has parts (`obo_dpo_mix@8`), with each classifier."""
    found = []
    for one in runs:
        whole = one.run.settings.get("generator") or {}
        most = whole.get("samples") if isinstance(whole, dict) else None
        stems = dict.fromkeys(a.partition("@")[0] for a in one.run.arm_names if is_part(a))
        for stem in stems:
            for classifier in one.run.classifiers:
                scores: dict[int, dict[int, float]] = {}
                for arm in one.run.arms:
                    same = arm.arm.partition("@")[0] == stem and arm.classifier == classifier
                    size = parse_arm(arm.arm).first or most if same else None
                    if size and arm.figures.get("micro_f1") is not None:
                        scores.setdefault(size, {})[arm.seed] = arm.figures["micro_f1"]
                points = [
                    (n, statistics.fmean(of.values()), deviation(list(of.values())))
                    for n, of in sorted(scores.items())
                ]
                if len(points) > 1:
                    title = f"{one.label}: {stem}, {classifier}"
                    found.append(_curve(title, points, scores))
    return found


def _curve(
    title: str, points: list[tuple[int, float, float | None]], scores: dict[int, dict[int, float]]
) -> SizeCurve:
    level = level_off(scores)
    highest = max(points, key=lambda point: point[1])[0]
    drop = None if level is None else _gain(scores, highest, max(scores))
    if drop is not None and drop[0] < -drop[1]:
        return SizeCurve(title, points, None, drop, highest)
    left = None if level is None else _gain(scores, level, max(scores))
    return SizeCurve(title, points, level, left)


def level_off(scores: dict[int, dict[int, float]]) -> int | None:
    """See `SizeCurve.level`.

    Args:
        scores: by number of samples, then by seed.
    """
    sizes = sorted(scores)
    for place, size in enumerate(sizes):
        gains = []
        for larger in sizes[place + 1 :]:
            found = _gain(scores, size, larger)
            if found is None:
                return None
            gain, error = found
            gains.append(gain > error)
        if not any(gains):
            return size if place < len(sizes) - 1 else None
    return None


def _gain(
    scores: dict[int, dict[int, float]], size: int, larger: int
) -> tuple[float, float] | None:
    """The mean difference paired by seed, and its standard error; None below two seeds."""
    seeds = scores[size].keys() & scores[larger].keys()
    if len(seeds) < 2:
        return None
    differences = [scores[larger][seed] - scores[size][seed] for seed in seeds]
    error = statistics.stdev(differences) / len(differences) ** 0.5
    return statistics.fmean(differences), error


def size_chart(found: Sequence[SizeCurve]) -> charts.LineChart | None:
    """All curves over one axis."""
    series = [(c.title, [(float(n), 100 * score) for n, score, _ in c.points]) for c in found]
    return charts.line_chart("micro-F1, %", series, x_label="generated samples a relation")
