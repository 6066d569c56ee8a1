"""Charts: what is drawn, in which colours, and that labels stay text."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from relgen.common.files import write_json, write_jsonl
from relgen.reporting.charts import (
    Chart,
    classifier_charts,
    dot_chart,
    dpo_charts,
    line_chart,
    thinned,
)
from relgen.reporting.data import load_run
from tests.relgen.reporting.fake_run import make_run

pytestmark = pytest.mark.compute


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


@pytest.mark.filterwarnings("error")
def test_labels_of_any_script_are_text_with_room(capfd: pytest.CaptureFixture[str]) -> None:
    def room(label: str) -> float:
        chart = dot_chart("F1", {label: {"human": 0.1}}, ["human"])
        assert chart is not None
        assert label in texts(chart.svg)
        assert "Last Resort" not in chart.svg
        (clip,) = re.findall(r'<clipPath[^>]*>\s*<rect x="([0-9.]+)"', chart.svg)
        return float(clip)

    # nine points for each character
    assert room("夫妻夫妻夫妻夫妻") > room("师") + 7 * 8
    assert room("मोहन") > room("i")
    assert capfd.readouterr().err == ""


def lines(chart: Chart) -> int:
    """Return the number of lines that are drawn, without those of the legend."""
    return len(re.findall(r"stroke: var\(--s", chart.svg)) - len(chart.labels)


def test_dpo_charts_read_each_half_once_a_seed(tmp_path: Path) -> None:
    charts = dpo_charts(load_run(make_run(tmp_path, seeds=(1, 2))))
    assert [chart.title for chart in charts] == ["DPO loss", "Reward margin", "Reward accuracy"]
    assert charts[0].labels == ["half a", "half b"]
    assert lines(charts[0]) == 4


def test_only_the_metric_itself_and_its_validation_are_drawn(tmp_path: Path) -> None:
    names = ("loss", "epoch/loss", "val/loss", "rewards/margins", "rewards/margins/near_copy")
    rows = [
        {"step": step, "epoch": 0, "metrics": dict.fromkeys(names, step / 10)} for step in (1, 2)
    ]
    write_jsonl(tmp_path / "h.jsonl", rows)
    with (tmp_path / "h.jsonl").open("a") as stream:
        stream.write('{"step": 4, "metr')  # left out
    arm = {"arm": "obo_dpo_pure", "seed": 1}
    write_json(tmp_path / "results.json", {"arms": [arm]})
    write_json(
        tmp_path / "report_data.json", {"arms": [{**arm, "dpo_history": {"all": "h.jsonl"}}]}
    )
    charts = dpo_charts(load_run(tmp_path))
    assert [(chart.title, chart.labels) for chart in charts] == [
        ("DPO loss", ["all relations", "all relations, validation"]),
        ("Reward margin", ["all relations"]),
    ]


def test_classifier_chart_has_a_line_an_arm(tmp_path: Path) -> None:
    charts = classifier_charts(load_run(make_run(tmp_path, seeds=(1,))))
    assert [chart.title for chart in charts] == ["Classifier's loss"]
    assert charts[0].labels == ["human", "obo_dpo_pure", "obo_dpo_mix", "aao_mix"]


def test_no_history_no_charts(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path, files=False))
    assert dpo_charts(run) == classifier_charts(run) == []
