"""Geometry of the report's charts: numbers in, coordinates and ticks out. Templates draw them.

Drawn as inline SVG of our own, whose text stays text and whose colours follow the page's light or
dark scheme. Dot charts place by per cent of the width, so that they fit a phone and a desk alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360, 214
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 350, 10, 176
_MOST_POINTS = 120

Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """A place along an axis and what stands there."""

    place: float
    text: str


@dataclass(frozen=True)
class Line:
    """A series of a line chart: `style` numbers its colour and dash; `points` are SVG's."""

    label: str
    style: int
    points: str
    lone: Point | None


@dataclass(frozen=True)
class LineChart:
    """Lines in a `WIDTH` by `HEIGHT` view box, with the ticks of both axes."""

    title: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    x_label: str = "step"
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def legend(self) -> list[tuple[str, int]]:
        """Each label once, with its style."""
        return list(dict.fromkeys((line.label, line.style) for line in self.lines))


@dataclass(frozen=True)
class Dot:
    """A dot of a row; `place` in per cent of the width."""

    label: str
    style: int
    place: float
    text: str


@dataclass(frozen=True)
class DotRow:
    """A row of a dot chart; `span` is the line from its first to its last dot."""

    label: str
    dots: list[Dot]
    span: tuple[float, float]


@dataclass(frozen=True)
class DotChart:
    """Rows of dots over one axis."""

    legend: list[tuple[str, int]]
    rows: list[DotRow]
    ticks: list[Tick]


def line_chart(
    title: str, series: Sequence[tuple[str, Sequence[Point]]], *, x_label: str = "step"
) -> LineChart | None:
    """Lays out lines. Series of the same label share a style; non-finite points are left out.

    Args:
        title: what is drawn.
        series: label and points (step, value) of each line, in steps' order.
        x_label: what a step is.

    Returns:
        None when there is nothing to draw.
    """
    finite = [
        (label, thinned([p for p in points if all(map(math.isfinite, p))]))
        for label, points in series
    ]
    finite = [(label, points) for label, points in finite if points]
    if not finite:
        return None
    xs = [x for _, points in finite for x, _ in points]
    ys = [y for _, points in finite for _, y in points]
    x_ticks = nice_ticks(min(xs), max(xs), 4)
    y_ticks = nice_ticks(min(ys), max(ys), 4)
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1e-9)
    y_low, y_high = min(min(ys), y_ticks[0]), max(max(ys), y_ticks[-1])

    def at(x: float, y: float) -> Point:
        across = (x - x_low) / (x_high - x_low)
        up = (y - y_low) / (y_high - y_low)
        return (
            round(_LEFT + across * (_RIGHT - _LEFT), 1),
            round(_BOTTOM - up * (_BOTTOM - _TOP), 1),
        )

    styles = {label: n for n, label in enumerate(dict.fromkeys(label for label, _ in finite))}
    lines = [
        Line(
            label,
            styles[label],
            " ".join(f"{x:g},{y:g}" for x, y in (at(*point) for point in points)),
            at(*points[0]) if len(points) == 1 else None,
        )
        for label, points in finite
    ]
    return LineChart(
        title,
        lines,
        [Tick(at(x, y_low)[0], _short(x, x_ticks)) for x in x_ticks if x_low <= x <= x_high],
        [Tick(at(x_low, y)[1], _short(y, y_ticks)) for y in y_ticks],
        x_label,
    )


def dot_chart(
    rows: Mapping[str, Mapping[str, float | None]],
    styles: Mapping[str, int],
    *,
    decimals: int = 2,
) -> DotChart | None:
    """Lays out a row of dots for each label, over an axis that all rows share.

    Args:
        rows: {row: {series: value}}; missing values get no dot.
        styles: the style of each series.
        decimals: of the values shown.

    Returns:
        None when no row has a value.
    """
    known = [v for of in rows.values() for v in of.values() if v is not None]
    if not known:
        return None
    ticks = nice_ticks(min(known), max(known), 4)
    low, high = min(min(known), ticks[0]), max(max(known), ticks[-1])

    def at(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    laid = []
    for label, of in rows.items():
        dots = [
            Dot(name, styles[name], at(value), f"{value:.{decimals}f}")
            for name, value in of.items()
            if value is not None
        ]
        if dots:
            places = [dot.place for dot in dots]
            laid.append(DotRow(label, dots, (min(places), max(places))))
    shown = dict.fromkeys(dot.label for row in laid for dot in row.dots)
    legend = [(name, style) for name, style in styles.items() if name in shown]
    return DotChart(legend, laid, [Tick(at(value), _short(value, ticks)) for value in ticks])


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` steps of 1, 2 or 5 times a power of ten that enclose [low, high].

    An empty range is widened, so that there are always at least two ticks.
    """
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def thinned(points: Sequence[Point], most: int = _MOST_POINTS) -> list[Point]:
    """At most `most` points: means over runs of neighbours."""
    if len(points) <= most:
        return list(points)
    width = math.ceil(len(points) / most)
    runs = [points[start : start + width] for start in range(0, len(points), width)]
    return [(sum(x for x, _ in r) / len(r), sum(y for _, y in r) / len(r)) for r in runs]


def _short(value: float, ticks: Sequence[float]) -> str:
    """A tick with as many decimals as its neighbours need; thousands as k."""
    step = ticks[1] - ticks[0]
    if abs(ticks[-1]) >= 10_000 and step >= 1_000:
        return f"{value / 1000:g}k"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{decimals}f}".replace("-", "−")
