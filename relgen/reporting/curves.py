"""Draws learning and reward curves from `history.jsonl`.

Its lines are `{"step": int, "epoch": int, "metrics": {name: float}}`. `loss` and `train/loss` are
the same metric, and `val/loss` is its validation. `epoch/loss` and metrics of some of the pairs
(`rewards/margins/near_copy`) are not drawn.
"""

from __future__ import annotations

from collections.abc import Iterable

from relgen.reporting.charts import Chart, Point, line_chart
from relgen.reporting.data import Run

_DPO_METRICS = {
    "DPO loss": "loss",
    "Reward margin": "rewards/margins",
    "Reward accuracy": "rewards/accuracies",
}


def dpo_charts(run: Run) -> list[Chart]:
    """Draw loss, reward margin and reward accuracy of DPO, with a line for each seed and half."""
    halves = {
        path: half for arm in run.arms for half, path in arm.files.get("dpo_history", {}).items()
    }
    labels = {
        path: f"half {half}" if half in ("a", "b") else "all relations"
        for path, half in halves.items()
    }
    charts = [_chart(run, title, metric, labels.items()) for title, metric in _DPO_METRICS.items()]
    return [chart for chart in charts if chart]


def classifier_charts(run: Run) -> list[Chart]:
    """Draw the loss of each classifier, with a line for each arm and seed."""
    charts = []
    for classifier in run.classifiers:
        files = [
            (path, arm.arm)
            for arm in run.arms
            if arm.classifier == classifier
            for path in arm.files.get("classifier_history", [])
        ]
        title = f"Loss of {classifier}" if len(run.classifiers) > 1 else "Classifier's loss"
        charts.append(_chart(run, title, "loss", files))
    return [chart for chart in charts if chart]


def _chart(run: Run, title: str, metric: str, files: Iterable[tuple[str, str]]) -> Chart | None:
    """Draw a metric of several files, given with their labels, and its validation."""
    series: list[tuple[str, list[Point]]] = []
    for path, label in files:
        rows = run.rows(path)
        for names, shown in (
            ((metric, f"train/{metric}"), label),
            ((f"val/{metric}",), f"{label}, validation"),
        ):
            points = [
                (float(row["step"]), float(value))
                for row in rows
                for name, value in row["metrics"].items()
                if name in names
            ]
            series.append((shown, points))
    return line_chart(title, series)
