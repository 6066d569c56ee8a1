"""Charts: what is drawn, in which colours, and that labels stay text."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

from relgen.reporting.charts import dot_chart, line_chart, thinned


def texts(svg: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("}text")]


def test_thinned_takes_means_of_neighbours() -> None:
    points = [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0), (4.0, 9.0)]
    assert thinned(points, most=3) == [(0.5, 2.0), (2.5, 6.0), (4.0, 9.0)]
    assert thinned(points, most=5) == points


def test_lines_of_one_label_share_their_colour_and_their_entry_in_the_legend() -> None:
    points = [(0.0, 0.0), (10.0, 1.0)]
    chart = line_chart("loss", [("a", points), ("b", points), ("a", points)])
    assert chart is not None
    assert (chart.title, chart.labels) == ("loss", ["a", "b"])
    drawn = re.findall(r"stroke: var\(--s(\d)\)", chart.svg)
    assert drawn == ["0", "1", "0", "0", "1"]  # three lines, two entries
    assert {"step", "a", "b"} <= set(texts(chart.svg))


def test_line_chart_leaves_out_what_is_no_number() -> None:
    chart = line_chart("loss", [("a", [(0.0, math.nan), (1.0, 2.0)]), ("b", [])])
    assert chart is not None
    assert chart.labels == ["a"]
    assert len(re.findall(r"<use [^>]*var\(--s", chart.svg)) == 1  # a lone point is a dot
    assert line_chart("loss", [("a", [(0.0, math.inf)])]) is None


def test_a_dot_for_every_value_and_no_row_without_any() -> None:
    rows = {"r": {"human": 0.1, "aao": 0.3}, "s": {"human": None, "aao": 0.5}, "t": {"aao": None}}
    chart = dot_chart("F1", rows, ["human", "aao", "obo"])
    assert chart is not None
    assert {"r", "s"} <= set(texts(chart.svg))
    assert "t" not in texts(chart.svg)
    assert chart.labels == ["human", "aao"]
    # the legend's dots come with the drawn ones
    assert len(re.findall(r"<use [^>]*fill: var\(--s0\)", chart.svg)) == 1 + 1
    assert len(re.findall(r"<use [^>]*fill: var\(--s1\)", chart.svg)) == 2 + 1
    assert dot_chart("F1", {"t": {"aao": None}}, ["aao"]) is None


def test_charts_follow_the_pages_colours_and_are_the_same_every_time() -> None:
    rows = {"a <b> $x$ & y": {"human": 0.1}, "z": {"human": 0.2}}
    chart = dot_chart("F1", rows, ["human"])
    assert chart is not None
    assert chart == dot_chart("F1", rows, ["human"])
    assert not re.findall(r"(?:fill|stroke): #(?!000000)", chart.svg)
    assert "<b>" not in chart.svg
    assert "a <b> $x$ & y" in texts(chart.svg)
    assert not re.search(r"[\s\"'](src|href)=", chart.svg)
