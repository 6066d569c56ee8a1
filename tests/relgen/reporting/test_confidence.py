"""How far probabilities can be trusted, and the worst mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.files import read_json, write_json
from relgen.reporting.confidence import (
    confidence_charts,
    confidence_table,
    confusion_table,
    worst_mistakes,
)
from relgen.reporting.data import load_run
from tests.relgen.reporting.fake_run import make_run

pytestmark = pytest.mark.compute


def test_figures_by_arm_are_means_over_seeds(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path, arms=("human", "aao_mix"), seeds=(1, 2)))
    table = confidence_table(run)
    assert table is not None
    assert table.columns == ["Arm", "Calibration error", "Wrong, surest half", "Wrong, all"]
    # 0.1 + (0.581 + 0.586) / 20, and 1 - (0.581 + 0.586) / 2
    assert [cell.text for cell in table.rows[0].cells] == ["0.158", "25.0", "41.7"]
    assert [chart.labels for chart in confidence_charts(run)] == [
        ["human", "aao_mix", "calibrated"],
        ["human", "aao_mix"],
    ]


def test_confusions_are_added_over_seeds(tmp_path: Path) -> None:
    folder = make_run(tmp_path, labels=("cause", "other"), seeds=(1, 2))
    table = confusion_table(load_run(folder))
    assert table is not None
    assert table.columns == ["Relation", "1", "2"]
    rows = {row.name: [(cell.text, cell.best) for cell in row.cells] for row in table.rows}
    assert rows == {
        "1 cause": [("4000", True), ("34", False)],
        "2 other": [("", False), ("40", True)],
    }
    for scores in folder.glob("stages/*/*/scores.json"):
        write_json(scores, read_json(scores) | {"confusion": [[0, 1], [1, 0]]})
    table = confusion_table(load_run(folder))
    assert table is not None
    assert [(cell.text, cell.best) for cell in table.rows[0].cells] == [("", False), ("2", False)]
    for scores in folder.glob("stages/*/*/scores.json"):
        wide = {"labels": [str(n) for n in range(21)], "confusion": [[0] * 21] * 21}
        write_json(scores, read_json(scores) | wide)
    assert confusion_table(load_run(folder)) is None


def test_the_worst_mistakes_are_sentences(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path))
    arm, (first,) = worst_mistakes(run)
    assert arm == "obo_dpo_mix"
    assert first.probability == 0.987
    assert first.sentence[1] == ("storm", "head")


def test_licensed_sentences_are_not_shown(tmp_path: Path) -> None:
    assert worst_mistakes(load_run(make_run(tmp_path, show_human=False)))[1] == []


def test_a_run_of_scores_alone_has_neither(tmp_path: Path) -> None:
    folder = make_run(tmp_path, arms=("human",), seeds=(1,))
    scores = next(folder.glob("stages/*/*/scores.json"))
    content = read_json(scores)
    del content["confidence"]
    write_json(scores, content)
    scores.with_name("mistakes.jsonl").unlink()
    run = load_run(folder)
    assert confidence_table(run) is None
    assert confidence_charts(run) == []
    assert worst_mistakes(run) == ("human", [])
    assert run.missing == []
