"""Draws learning and reward curves from `history.jsonl`.

Its lines are `{"step": int, "epoch": int, "metrics": {name: float}}`. `loss` and `train/loss` are
the same metric, and `val/loss` is its validation. `epoch/loss` and metrics of some of the pairs
(`rewards/margins/near_copy`) are not drawn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from relgen.reporting.charts import LineChart, Point, line_chart
from relgen.reporting.data import Run


def read_history(lines: Sequence[str]) -> dict[str, list[Point]]:
    """Return {metric: [(step, value)]}; lines that a crash cut short are skipped.

    If Lightning logs a metric as `x_step` and as `x_epoch`, the former is returned as `x`.
    """
    found: dict[str, list[Point]] = {}
    for line in lines:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        for name, value in row.get("metrics", {}).items():
            if isinstance(value, int | float):
                found.setdefault(name, []).append((float(row["step"]), float(value)))
    twice = [name.removesuffix("_step") for name in found if name.endswith("_step")]
    return {
        name.removesuffix("_step"): points
        for name, points in found.items()
        if not (name.endswith("_epoch") and name.removesuffix("_epoch") in twice)
    }


def dpo_charts(run: Run) -> list[LineChart]:
    """Draw loss, reward margin and reward accuracy of DPO, with a line for each seed and half."""
    histories: dict[str, tuple[str, dict[str, list[Point]]]] = {}
    for arm in run.arms:
        for half, path in arm.files.get("dpo_history", {}).items():
            if path not in histories:
                label = f"half {half}" if half in ("a", "b") else "all relations"
                histories[path] = label, read_history(run.lines(path))
    drawn = {
        "DPO loss": "loss",
        "Reward margin": "rewards/margins",
        "Reward accuracy": "rewards/accuracies",
    }
    found = list(histories.values())
    charts = [line_chart(title, _pick(found, metric)) for title, metric in drawn.items()]
    return [chart for chart in charts if chart]


def classifier_charts(run: Run) -> list[LineChart]:
    """Draw the loss of each classifier, with a line for each arm and seed."""
    charts = []
    for classifier in run.classifiers:
        histories = [
            (arm.arm, read_history(run.lines(path)))
            for arm in run.arms
            if arm.classifier == classifier
            for path in arm.files.get("classifier_history", [])
        ]
        title = f"Loss of {classifier}" if len(run.classifiers) > 1 else "Classifier's loss"
        charts.append(line_chart(title, _pick(histories, "loss")))
    return [chart for chart in charts if chart]


def _pick(
    histories: Sequence[tuple[str, dict[str, list[Point]]]], metric: str
) -> list[tuple[str, list[Point]]]:
    """Return the series of a metric; labels of validation series end in ", validation"."""
    series = []
    for label, history in histories:
        for name, points in history.items():
            if name in (metric, f"train/{metric}"):
                series.append((label, points))
            elif name == f"val/{metric}":
                series.append((f"{label}, validation", points))
    return series
