"""Tables with literal values."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.files import write_json
from relgen.reporting import tables
from relgen.reporting.data import load_run
from relgen.reporting.tables import TableCell
from tests.relgen.reporting.fake_run import make_run

pytestmark = pytest.mark.compute


def test_arm_table(tmp_path: Path) -> None:
    table = tables.arm_table(load_run(make_run(tmp_path, files=False)))
    assert table.columns == [
        *("Arm", "Micro-F1", "Macro-F1", "Official F1", "Precision", "Recall"),
        *("Train samples", "Seeds"),
    ]
    mix = table.rows[2]
    assert (mix.name, mix.hint) == ("obo_dpo_mix", "human and generated: one by one, after DPO")
    assert mix.cells[0] == TableCell("62.8", "± 0.5", best=True)
    assert mix.cells[-2:] == [TableCell("456"), TableCell("3")]
    assert [row.cells[0].best for row in table.rows] == [False, False, True, False]


def test_one_seed_has_no_deviation_and_no_official_column_without_scores(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path, seeds=(1,), official=False, files=False))
    table = tables.arm_table(run)
    assert "Official F1" not in table.columns
    assert table.rows[0].cells[0] == TableCell("58.1", "")


def test_several_classifiers_have_a_row_each(tmp_path: Path) -> None:
    def row(classifier: str, score: float) -> dict[str, object]:
        return {"arm": "human", "seed": 1, "classifier": classifier, "micro_f1": score}

    arms = [row("entity_marker", 0.5), row("knowprompt", 0.6)]
    write_json(tmp_path / "results.json", {"arms": arms})
    table = tables.arm_table(load_run(tmp_path))
    assert [r.name for r in table.rows] == ["human · entity_marker", "human · knowprompt"]


def test_ties_are_all_best_as_shown() -> None:
    cells = [TableCell(text) for text in ("0.10", "–", "0.10", "0.20")]
    marked = tables.mark_best(cells, lowest=True)
    assert [cell.best for cell in marked] == [True, False, True, False]
    assert not tables.mark_best(cells[:2], lowest=True)[0].best


def test_relation_table_takes_means_over_seeds(tmp_path: Path) -> None:
    arms = []
    for seed, f1 in ((1, 0.4), (2, 0.6)):
        scores = {"per_relation": {"cause": {"f1": f1}, "none": {"f1": 0.1}}}
        write_json(tmp_path / f"{seed}.json", scores)
        arms.append({"arm": "human", "seed": seed, "scores": [f"{seed}.json"]})
    figures = [{"arm": "human", "seed": seed, "micro_f1": 0.5} for seed in (1, 2)]
    numbers = {"shots": 8, "fewer_shots": {"none": 3}, "tested": {"cause": 1200, "none": 0}}
    write_json(tmp_path / "results.json", {"arms": figures, **numbers})
    write_json(tmp_path / "report_data.json", {"arms": arms, "negative": "none"})
    run = load_run(tmp_path)
    by_relation = tables.relation_f1(run, "")
    assert by_relation == {"cause": {"human": 0.5}, "none": {"human": 0.1}}
    table = tables.relation_table(run, by_relation)
    assert table.columns == ["Relation", "Shots", "Test samples", "human"]
    assert [(row.name, [cell.text for cell in row.cells], row.hint) for row in table.rows] == [
        ("cause", ["8", "1,200", "50.0"], ""),
        ("none", ["3", "0", "10.0"], "negative label: not in micro-F1"),
    ]


def test_generation_counts_once_what_pure_and_mix_share(tmp_path: Path) -> None:
    table = tables.generation_table(load_run(make_run(tmp_path, seeds=(1, 2), files=False)))
    assert table is not None
    assert table.columns == ["Drafts", "obo_dpo", "aao"]
    assert [(row.name, row.cells[0].text) for row in table.rows] == [
        ("accepted", "600"),
        ("rejected", "168"),
        ("accepted, % of drafts", "78.1"),
        ("rejected: duplicate", "122"),
        ("rejected: no_head", "28"),
        ("rejected: copy_of_demonstration", "18"),
        ("seconds", "825"),
        ("tokens written", "36,500"),
    ]


def test_no_generation_no_table(tmp_path: Path) -> None:
    assert tables.generation_table(load_run(make_run(tmp_path, arms=("human",)))) is None


def test_sentences_by_intended_and_read_relation(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path / "run", seeds=(1, 2)))
    assert tables.labelling_table(run) is None
    relations = {
        "cause": {"intended": 4, "labelled": 1, "agreed": 1},
        "none": {"intended": 0, "labelled": 3, "agreed": 0},
    }
    for arm in run.arms:
        if arm.arm != "human":
            arm.figures["labelling"] = {"relations": relations}
    table = tables.labelling_table(run)
    assert table is not None
    assert table.columns == ["Relation", "obo_dpo", "aao"]
    cause, none = table.rows
    # both seeds; the two arms of obo_dpo share one set
    assert [(cell.text, cell.note) for cell in cause.cells] == [("8 → 2", "(2 of both)")] * 2
    assert none.cells[0].text == "0 → 6"


def test_unlabelled_sentences_by_reason_and_relation(tmp_path: Path) -> None:
    assert tables.unlabelled_table(load_run(make_run(tmp_path / "none", files=False))) is None
    relations = {"a": {"intended": 0, "labelled": 15, "agreed": 0}, "b": {"labelled": 5}}
    of = {"samples": 20, "uncertain": 2, "relations": relations}
    of["left_out"] = {"test_near_copy": 3, "not_chosen": 975}
    # two arms share the sentences
    arms = [
        {"arm": arm, "seed": seed, "unlabelled": of}
        for arm in ("unlabelled_mix", "obo_unlabelled_mix")
        for seed in (1, 2)
    ]
    write_json(tmp_path / "results.json", {"arms": arms})
    table = tables.unlabelled_table(load_run(tmp_path))
    assert table is not None
    assert [(row.name, row.cells[0].text) for row in table.rows] == [
        ("in the file", "2,000"),
        ("left out: uncertain", "4"),
        ("left out: near copies of test sentences", "6"),
        ("left out: read and not chosen", "1,950"),
        ("trained on", "40"),
        ("read as a", "30"),
        ("read as b", "10"),
    ]


def test_nothing_has_no_sign() -> None:
    assert [tables.points(x) for x in (0.0152, -0.2, -0.0004)] == ["+1.5", "-20.0", "0.0"]
