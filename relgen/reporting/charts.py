"""Draws the report's charts as inline SVG, with real text and the page's light or dark colours."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

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
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "relgen",
    "text.parse_math": False,  # labels may contain dollars
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

Point = tuple[float, float]


@dataclass(frozen=True)
class LineChart:
    """Lines over steps; lines with the same label share a style and an entry of the legend.

    `series` holds the label and the points (step, value) of each line, ordered by step.
    """

    title: str
    series: Sequence[tuple[str, Sequence[Point]]]
    x_label: str = "step"

    @property
    def labels(self) -> list[str]:
        """Return each label once."""
        return list(dict.fromkeys(label for label, _ in self.series))

    @property
    def svg(self) -> Markup:
        """Return the chart as an SVG element."""
        with matplotlib.rc_context(_STYLE):
            figure = Figure(figsize=(_LINES_WIDTH, 2.2), layout="constrained")
            axes = figure.subplots()
            axes.grid(axis="y")
            axes.set_xlabel(self.x_label)
            for label, points in self.series:
                number = self.labels.index(label)
                style: dict[str, Any] = {"color": _SERIES[number % 8], "ls": _DASHES[number % 4]}
                if len(points) == 1:
                    style["marker"] = _MARKERS[number % 4]
                axes.plot(*zip(*points, strict=True), label=label, **style)
            return _finish(figure, self.labels)


@dataclass(frozen=True)
class DotChart:
    """A row of dots for each label over one axis; missing values have no dot.

    `rows` is {row: {series: value}}, and `names` are those of the series.
    """

    title: str
    rows: Mapping[str, Mapping[str, float | None]]
    names: Sequence[str]

    @property
    def svg(self) -> Markup:
        """Return the chart as an SVG element."""
        with matplotlib.rc_context(_STYLE):
            size = _DOTS_WIDTH, 0.5 + 0.24 * len(self.rows)
            figure = Figure(figsize=size, layout="constrained")
            axes = figure.subplots()
            axes.grid()
            axes.tick_params(top=True, labeltop=True, length=0)
            axes.set_yticks(range(len(self.rows)), list(self.rows))
            axes.set_ylim(len(self.rows) - 0.5, -0.5)
            for place, values in enumerate(self.rows.values()):
                known = [value for value in values.values() if value is not None]
                axes.plot(known, [place] * len(known), color=_GRID, lw=2)
            for number, name in enumerate(self.names):
                column = [of.get(name) for of in self.rows.values()]
                dots = [(value, place) for place, value in enumerate(column) if value is not None]
                style: dict[str, Any] = {
                    "color": _SERIES[number % 8],
                    "marker": _MARKERS[number % 4],
                    "ls": "",
                }
                axes.plot(*zip(*dots, strict=True), label=name, **style)
            return _finish(figure, self.names)


def line_chart(
    title: str, series: Sequence[tuple[str, Sequence[Point]]], *, x_label: str = "step"
) -> LineChart | None:
    """Return a chart of the finite points of the lines; None if there are none."""
    finite = [
        (label, thinned([p for p in points if all(map(math.isfinite, p))]))
        for label, points in series
    ]
    finite = [(label, points) for label, points in finite if points]
    return LineChart(title, finite, x_label) if finite else None


def dot_chart(
    title: str, rows: Mapping[str, Mapping[str, float | None]], names: Sequence[str]
) -> DotChart | None:
    """Return a chart of the rows and series that have a value; None if there are none."""
    filled = {row: of for row, of in rows.items() if any(of.get(n) is not None for n in names)}
    shown = [name for name in names if any(of.get(name) is not None for of in filled.values())]
    return DotChart(title, filled, shown) if filled else None


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Return at most `most` points, as means over neighbours."""
    if len(points) <= most:
        return list(points)
    width = math.ceil(len(points) / most)
    runs = [points[start : start + width] for start in range(0, len(points), width)]
    return [(sum(x for x, _ in r) / len(r), sum(y for _, y in r) / len(r)) for r in runs]


def _finish(figure: Figure, labels: Sequence[str]) -> Markup:
    """Add the legend, and return the SVG in the page's colours."""
    if len(labels) > 1:
        handles, names = figure.axes[0].get_legend_handles_labels()
        first = dict(zip(reversed(names), reversed(handles), strict=True))
        columns = max(1, int(12 * figure.get_figwidth()) // (max(map(len, labels)) + 6))
        figure.set_figheight(figure.get_figheight() + 0.2 * math.ceil(len(labels) / columns))
        figure.legend(
            [first[name] for name in labels], labels, loc="outside upper left", ncols=columns
        )
    stream = io.StringIO()
    FigureCanvasSVG(figure).print_svg(stream, metadata=_NO_METADATA)
    text = stream.getvalue()
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    widest = f'style="max-width: {_ENLARGED * figure.get_figwidth():.1f}in" '
    return Markup("<svg " + widest + text[text.index("<svg") + len("<svg ") :])
