"""Charts of histories: which metrics, and a line for what."""

from __future__ import annotations

import re
from pathlib import Path

from relgen.common.files import write_json, write_jsonl
from relgen.reporting.charts import Chart
from relgen.reporting.curves import classifier_charts, dpo_charts
from relgen.reporting.data import load_run
from tests.relgen.reporting.fake_run import make_run


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
