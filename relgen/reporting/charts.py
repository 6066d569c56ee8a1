"""Draws the report's charts as inline SVG, with real text and the page's light or dark colours.

Learning curves come from `history.jsonl`, whose lines are `{"step": int, "epoch": int, "metrics":
{name: float}}`. `loss` and `train/loss` are the same metric, and `val/loss` is its validation.
`epoch/loss` and metrics of some of the pairs (`rewards/margins/near_copy`) are not drawn.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from relgen.reporting.data import Run

MOST_POINTS = 120
# placeholder colours, which `_finish` replaces by the page's CSS variables
_SERIES = [f"#0000a{number}" for number in range(8)]
_TEXT, _GRID = "#0000b0", "#0000b1"
_VARIABLES = {_TEXT: "--muted", _GRID: "--line"} | {c: f"--s{n}" for n, c in enumerate(_SERIES)}
_MARKERS = "oDs^"
_DASHES = ["-", "--", ":", "-."]
# inches; readable at the width of a phone
_LINES_WIDTH, _DOTS_WIDTH = 3.7, 5.2
_ENLARGED = 1.35  # the largest magnification on wide screens
_WIDEST = "Last Resort High-Efficiency"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "relgen",
    "text.parse_math": False,  # labels may contain dollars
    # for measuring labels whose letters the first lacks: the page shows them in the reader's fonts
    "font.family": ["sans-serif", _WIDEST],
    "font.size": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _GRID,
    "legend.frameon": False,
    **dict.fromkeys(["text.color", "axes.labelcolor", "xtick.color", "ytick.color"], _TEXT),
}
_NO_METADATA = dict.fromkeys(["Creator", "Date", "Format", "Type"])

_DPO_METRICS = {
    "DPO loss": "loss",
    "Reward margin": "rewards/margins",
    "Reward accuracy": "rewards/accuracies",
}

Point = tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """A chart as an SVG element, and the labels of its series."""

    title: str
    labels: list[str]
    svg: Markup


def dpo_charts(run: Run) -> list[Chart]:
    """Draw loss, reward margin and reward accuracy of DPO, with a line for each seed and half."""
    halves = {
        path: half for arm in run.arms for half, path in arm.files.get("dpo_history", {}).items()
    }
    labels = {
        path: f"half {half}" if half in ("a", "b") else "all relations"
        for path, half in halves.items()
    }
    charts = [
        _metric_chart(run, title, metric, labels.items()) for title, metric in _DPO_METRICS.items()
    ]
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
        charts.append(_metric_chart(run, title, "loss", files))
    return [chart for chart in charts if chart]


def line_chart(
    title: str, series: Sequence[tuple[str, Sequence[Point]]], *, x_label: str = "step"
) -> Chart | None:
    """Draw the finite points of lines; None if there are none.

    `series` are the label and the points (step, value) of each line, ordered by step. Lines with
    the same label share a style and an entry of the legend.
    """
    finite = [
        (label, [p for p in points if all(map(math.isfinite, p))]) for label, points in series
    ]
    lines = [(label, thinned(points)) for label, points in finite if points]
    labels = list(dict.fromkeys(label for label, _ in lines))

    def draw(axes: Axes) -> None:
        axes.grid(axis="y")
        axes.set_xlabel(x_label)
        for label, points in lines:
            number = labels.index(label)
            style: dict[str, Any] = {"color": _SERIES[number % 8], "ls": _DASHES[number % 4]}
            if len(points) == 1:
                style["marker"] = _MARKERS[number % 4]
            axes.plot(*zip(*points, strict=True), label=label, **style)

    return _chart(title, labels, (_LINES_WIDTH, 2.2), draw) if lines else None


def dot_chart(
    title: str, rows: Mapping[str, Mapping[str, float | None]], names: Sequence[str]
) -> Chart | None:
    """Draw a row of dots for each label over one axis; None if there are no values.

    Missing values have no dot. `rows` is {row: {series: value}}, and `names` are those of the
    series.
    """
    filled = {row: of for row, of in rows.items() if any(of.get(n) is not None for n in names)}
    shown = [name for name in names if any(of.get(name) is not None for of in filled.values())]

    def draw(axes: Axes) -> None:
        axes.grid()
        axes.tick_params(top=True, labeltop=True, length=0)
        axes.set_yticks(range(len(filled)), list(filled), parse_math=False)
        axes.set_ylim(len(filled) - 0.5, -0.5)
        for place, values in enumerate(filled.values()):
            known = [value for value in values.values() if value is not None]
            axes.plot(known, [place] * len(known), color=_GRID, lw=2)
        for number, name in enumerate(shown):
            column = [of.get(name) for of in filled.values()]
            dots = [(value, place) for place, value in enumerate(column) if value is not None]
            style: Any = {"color": _SERIES[number % 8], "marker": _MARKERS[number % 4], "ls": ""}
            axes.plot(*zip(*dots, strict=True), label=name, **style)

    size = _DOTS_WIDTH, 0.5 + 0.24 * len(filled)
    return _chart(title, shown, size, draw) if filled else None


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Return at most `most` points, as means over neighbours."""
    width = math.ceil(len(points) / most)
    runs = [points[start : start + width] for start in range(0, len(points), width)]
    return [(sum(x for x, _ in r) / len(r), sum(y for _, y in r) / len(r)) for r in runs]


def _chart(
    title: str, labels: list[str], size: tuple[float, float], draw: Callable[[Axes], None]
) -> Chart:
    """Draw a chart with a legend, in the page's colours."""
    stream = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        if len(labels) > 1:
            handles, names = figure.axes[0].get_legend_handles_labels()
            first = dict(zip(reversed(names), reversed(handles), strict=True))
            columns = max(1, int(12 * size[0]) // (max(map(len, labels)) + 6))
            figure.set_figheight(size[1] + 0.2 * math.ceil(len(labels) / columns))
            handles = [first[name] for name in labels]
            legend = figure.legend(handles, labels, loc="outside upper left", ncols=columns)
            for entry in legend.get_texts():
                entry.set_parse_math(False)  # a label with dollar signs is no formula
        FigureCanvasSVG(figure).print_svg(stream, metadata=_NO_METADATA)
    text = stream.getvalue().replace(f", '{_WIDEST}'", "")
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    widest = f'style="max-width: {_ENLARGED * size[0]:.1f}in" '
    return Chart(title, labels, Markup("<svg " + widest + text[text.index("<svg") + 5 :]))


def _metric_chart(
    run: Run, title: str, metric: str, files: Iterable[tuple[str, str]]
) -> Chart | None:
    """Draw a metric of several files, given with their labels, and its validation."""
    series: dict[tuple[str, str], list[Point]] = {}
    names = {metric: "", f"train/{metric}": "", f"val/{metric}": ", validation"}
    for path, label in files:
        for row in run.rows(path):
            for name, value in row["metrics"].items():
                if name in names:
                    points = series.setdefault((path, label + names[name]), [])
                    points.append((float(row["step"]), float(value)))
    return line_chart(title, [(label, points) for (_, label), points in series.items()])
