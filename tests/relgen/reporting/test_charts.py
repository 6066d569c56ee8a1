"""Coordinates and ticks against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from relgen.reporting.charts import dot_chart, line_chart, nice_ticks, thinned


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.5, 1.0]),
        (0.16, 0.69, [0.0, 0.2, 0.4, 0.6, 0.8]),
        (40.0, 76.0, [40.0, 50.0, 60.0, 70.0, 80.0]),
        (0.5, 0.5, [0.0, 0.5, 1.0]),
    ],
)
def test_nice_ticks(low: float, high: float, expected: list[float]) -> None:
    assert nice_ticks(low, high, 4) == expected


def test_thinned_takes_means_of_neighbours() -> None:
    points = [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0), (4.0, 9.0)]
    assert thinned(points, most=3) == [(0.5, 2.0), (2.5, 6.0), (4.0, 9.0)]
    assert thinned(points, most=5) == points


def test_line_chart_puts_the_corners_at_the_corners() -> None:
    chart = line_chart("loss", [("a", [(0.0, 0.0), (10.0, 1.0)]), ("a", [(0.0, 1.0), (10.0, 0.0)])])
    assert chart is not None
    assert [line.points for line in chart.lines] == ["44,176 350,10", "44,10 350,176"]
    assert chart.legend == [("a", 0)]
    assert [tick.text for tick in chart.y_ticks] == ["0.0", "0.5", "1.0"]


def test_line_chart_leaves_out_what_is_no_number() -> None:
    chart = line_chart("loss", [("a", [(0.0, math.nan), (1.0, 2.0)]), ("b", [])])
    assert chart is not None
    assert [line.label for line in chart.lines] == ["a"]
    assert chart.lines[0].lone is not None
    assert line_chart("loss", [("a", [(0.0, math.inf)])]) is None


def test_dot_chart_places_by_per_cent() -> None:
    rows = {"r": {"human": 0.1, "aao": 0.3}, "s": {"human": None, "aao": 0.5}, "t": {"aao": None}}
    chart = dot_chart(rows, {"human": 0, "aao": 1})
    assert chart is not None
    assert [tick.text for tick in chart.ticks] == ["0.1", "0.2", "0.3", "0.4", "0.5"]
    assert [(row.label, [dot.place for dot in row.dots]) for row in chart.rows] == [
        ("r", [0.0, 50.0]),
        ("s", [100.0]),
    ]
    assert chart.rows[0].span == (0.0, 50.0)
    assert dot_chart({"t": {"aao": None}}, {"aao": 0}) is None
