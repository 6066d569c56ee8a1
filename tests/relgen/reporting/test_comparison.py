"""Several runs side by side: their tables, what is claimed from them, and the two files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.common.files import read_json, write_json
from relgen.reporting import comparison, tables
from relgen.reporting.data import Run, load_run
from relgen.reporting.report import _render, comparison_content
from tests.relgen.reporting.conftest import row
from tests.relgen.reporting.fake_run import make_run
from tests.relgen.reporting.test_report import _Page

pytestmark = pytest.mark.compute


def texts(table: comparison.ReportTable) -> dict[str, list[str]]:
    return {r.name: [f"{c.text} {c.note}".strip() for c in r.cells] for r in table.rows}


def test_the_main_table_leaves_ablations_and_parts_out(runs: dict[str, Run]) -> None:
    table = comparison.main_table(runs)
    assert table.columns == ["Arm", "semeval-k8", "semeval-k16"]
    found = texts(table)
    assert list(found) == ["human", "obo_mix", "obo_dpo_mix", "xu2023"]
    assert found["human"][0] == "50.5 ± 0.5"  # the seeds are half a point apart
    assert [r.cells[0].best for r in table.rows] == [False, False, True, False]


def test_ablations_stand_beside_the_method_with_their_differences(runs: dict[str, Run]) -> None:
    table = comparison.ablation_table(runs)
    assert table is not None
    found = texts(table)
    assert list(found) == ["obo_mix", "obo_dpo_mix", "obo_dpo_window_mix"]
    assert found["obo_dpo_window_mix"][0] == "52.5 ± 0.5; -5.5 (-9.0 to -2.0; -10.0 to -1.0)"
    assert found["obo_dpo_mix"][0] == "60.5 ± 0.5"
    plain = {"x": load_run(make_run(runs["semeval-k8"].folder.parent / "plain"))}
    assert comparison.ablation_table(plain) is None


def test_differences(runs: dict[str, Run]) -> None:
    table = comparison.difference_table(runs, "against_human")
    assert table is not None
    assert texts(table) == {
        "obo_dpo_mix": ["+5.0 (+2.0 to +8.0; +1.0 to +9.0)", "-5.0 (-8.0 to -2.0; -9.0 to -1.0)"]
    }


def test_direct_stands_beside_every_classifiers_human_samples(runs: dict[str, Run]) -> None:
    for run in runs.values():
        for name in ("entity_marker", "knowprompt"):
            run.results["against_human"].append(
                {**row("direct", "human", -0.3, -0.1), "classifier": name}
            )
        run.arms += [
            replace(run.arms[0], arm="direct", classifier="direct"),
            replace(run.arms[0], classifier="knowprompt"),
        ]
    table = comparison.difference_table(runs, "against_human")
    assert table is not None
    assert [r.name for r in table.rows][1:] == ["direct · entity_marker", "direct · knowprompt"]


def test_published_figures_stand_beside_ours_where_the_setting_is_the_papers(
    runs: dict[str, Run],
) -> None:
    ((label, table),) = comparison.published_tables(runs)  # the paper has no SemEval at K = 16 here
    assert label == "semeval-k8"
    assert table.columns == ["", "published", "here, entity_marker, relabelled"]
    assert texts(table)["human only"] == ["61.39", "50.5"]
    assert texts(table)["mix, OBO"] == ["67.92", "60.5"]
    assert "Direct-RE" not in texts(table)  # there is none here


def test_published_figures_stand_once_and_beside_knowprompt(runs: dict[str, Run]) -> None:
    run = runs["semeval-k8"]
    arms = [*run.arms, replace(run.arms[0], classifier="knowprompt_small")]
    same = {
        "semeval-k8-sizes": replace(run, arms=run.arms[:2]),
        "semeval-k8-main": replace(run, arms=arms, settings={"label": None}),
    }
    ((label, table),) = comparison.published_tables(same)
    assert label == "semeval-k8-main"
    assert table.columns == ["", "published", "here, knowprompt_small"]


def test_what_was_generated_and_labelled_is_shown_once(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    # a cell that shares all of its generation, and one that labels it anew
    counts = {"Other": {"intended": 8, "labelled": 5, "agreed": 3}}
    run, more = runs.values()
    shared = replace(run, arms=run.arms[:3])
    labelled = [
        replace(arm, figures={**arm.figures, "labelling": {"relations": counts}})
        for arm in more.arms
    ]
    other = replace(more, arms=labelled)
    all_runs = {"semeval-k8": run, "k8-window": shared, "k16-read": other}
    for arm in labelled:
        if arm.figures["generation"]:
            arm.figures["generation"] = {**arm.figures["generation"], "accepted": 301}
    found = comparison.distinct_tables(all_runs, tables.generation_table)
    assert [label for label, _ in found] == ["semeval-k8", "k16-read"]
    assert texts(found[0][1])["accepted"] == ["900"] * 4  # 300 a seed
    ((label, table),) = comparison.distinct_tables(all_runs, tables.labelling_table)
    assert (label, texts(table)["Other"][0]) == ("k16-read", "24 → 15 (9 of both)")
    content = comparison_content({"semeval-k8": run, "k16-read": other}, "x", "")
    for path in _render("comparison", content, tmp_path / "shown"):
        text = path.read_text(encoding="utf-8")
        assert "Drafts accepted and rejected, k16-read" in text
        assert "24 → 15" in text


def test_each_corpus_has_its_cosines_and_its_case_studies(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    small = load_run(make_run(tmp_path / "t8", corpus="tacred"))
    folder = make_run(tmp_path / "t32", corpus="tacred", arms=("human",), show_human=False)
    write_json(folder / "results.json", {**read_json(folder / "results.json"), "shots": 32})
    tacred = {"tacred-k8": small, "tacred-k32": load_run(folder)}
    content = comparison_content({**runs, **tacred}, "x", "")
    # of SemEval, K = 16 is the largest and K = 8 the first of the fullest
    shown = ["semeval-k16", "semeval-k8", "tacred-k32", "tacred-k8"]
    assert [label for label, _, _ in content["cosines"]] == shown
    cases = [(label, hidden) for label, _, hidden in content["examples"]]
    assert cases == [("semeval-k8", False), ("tacred-k8", False)]
    for path in _render("comparison", content, tmp_path / "shown"):
        text = path.read_text(encoding="utf-8")
        assert text.count("Sentences side by side, ") == 2
        assert "by relation, tacred-k32" in text


def test_the_command_writes_both_files(
    runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(run.folder) for run in runs.values()]
    out = tmp_path / "both"
    assert cli.main(["report", "--compare", *folders, "--out", str(out)]) == 0
    page = _Page((out / "report.html").read_text(encoding="utf-8"))
    assert page.headings[0] == "k8 and k16"
    assert "Ablations" in page.headings
    assert not [v for n, v in page.attributes if n in ("src", "href")]
    markdown = (out / "report.md").read_text(encoding="utf-8")
    assert "| obo\\_dpo\\_mix" in markdown or "| obo_dpo_mix" in markdown
    assert "4: 58.5 ± 0.5, 16: 60.5 ± 0.5; does not level off" in markdown
    assert "own sentences are left out" not in markdown
    options = ["--no-human-sentences", "--out", str(out)]
    assert cli.main(["report", "--compare", *folders, *options]) == 0
    for name in ("report.html", "report.md"):
        assert "own sentences are left out" in (out / name).read_text(encoding="utf-8")
    assert cli.main(["report", "--compare", *folders]) == 0
    assert (tmp_path / "k8-and-k16" / "report.html").is_file()
    assert cli.main(["report"]) == 2
    assert cli.main(["report", "--compare", folders[0], folders[0], "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_runs_of_human_samples_alone_have_no_empty_tables(tmp_path: Path) -> None:
    folders = [str(make_run(tmp_path / name, arms=("human",))) for name in "ab"]
    out = tmp_path / "both"
    assert cli.main(["report", "--compare", *folders, "--out", str(out)]) == 0
    markdown = (out / "report.md").read_text(encoding="utf-8")
    assert markdown.startswith("# a and b\n\n## Scores\n")
    page = (out / "report.html").read_text(encoding="utf-8")
    for text in (markdown, page):
        assert "Each comparison is" not in text
        assert "human only" in text
        assert "generated only" not in text


@pytest.mark.parametrize("where", ["outside", "inside", "grid"])
def test_a_single_run_is_not_compared(
    runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    folder = runs["semeval-k8"].folder
    write_json(tmp_path / "grid.json", {"name": "paper", "cells": ["k8"], "settings": ""})
    given = {"outside": str(folder), "inside": f"{folder}/../k8", "grid": str(tmp_path)}[where]
    (folder / "report.md").write_text("the run's own", encoding="utf-8")
    assert cli.main(["report", "--compare", given]) == 2
    said = capsys.readouterr().err
    assert "at least two runs are needed for a comparison" in said
    assert "relgen report" in said
    assert (folder / "report.md").read_text(encoding="utf-8") == "the run's own"


def test_the_cells_of_a_grid_are_compared_beside_its_own_report(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    grid = tmp_path / "grid"
    for run in runs.values():
        make_run(grid / run.folder.name)
    write_json(grid / "grid.json", {"name": "paper", "cells": ["k8", "k16"], "settings": "x: 1"})
    (grid / "report.md").write_text("the grid's own", encoding="utf-8")
    assert cli.main(["report", "--compare", str(grid)]) == 0
    assert (grid / "report.md").read_text(encoding="utf-8") == "the grid's own"
    assert (tmp_path / "grid-compared" / "report.md").is_file()


def test_a_grids_report_is_that_of_its_cells(runs: dict[str, Run], tmp_path: Path) -> None:
    cells = [run.folder.name for run in runs.values()]
    grid = {"name": "paper", "cells": cells, "settings": "cells: [<b>]\n"}
    write_json(tmp_path / "grid.json", grid)
    assert cli.main(["report", str(tmp_path)]) == 0
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.headings[0] == "paper"
    assert "cells: [<b>]" in page.text


def test_claims_are_judged_by_their_intervals(runs: dict[str, Run]) -> None:
    def both(arm: str) -> list[str]:
        return [f"{arm} with entity_marker in {name}" for name in ("semeval-k8", "semeval-k16")]

    mixes = both("obo_dpo_mix")
    assert comparison.verdicts(runs) == [
        comparison.Verdict("Human and generated samples beat human ones", mixes[:1], mixes[1:], 0),
        comparison.Verdict("DPO helps", [], [], 2),
        comparison.Verdict("A window of demonstrations hurts", both("obo_dpo_window_mix"), [], 0),
        comparison.Verdict("The method beats Xu et al. 2023", both("xu2023"), [], 0),
    ]


def test_a_claim_has_to_be_outside_of_both_intervals(runs: dict[str, Run]) -> None:
    (found,) = runs["semeval-k8"].results["against_human"]
    found |= {"low": -0.01, "high": 0.09}
    runs["semeval-k16"].results["against_human"] = []
    assert comparison.verdicts(runs)[0] == comparison.Verdict(
        "Human and generated samples beat human ones", [], [], 1
    )


def test_the_same_comparison_counts_once_and_that_of_one_seed_not_at_all(
    runs: dict[str, Run],
) -> None:
    run = runs["semeval-k8"]
    # the ablations' run holds the main run's arms again
    again = {"semeval-k8": run, "semeval-k8-ablations": run}
    assert comparison.verdicts(again) == comparison.verdicts({"semeval-k8": run})
    for key in ("against_human", "against_no_dpo", "against_method"):
        for found in run.results[key]:
            found["n_seeds"] = 1
    assert comparison.verdicts({"semeval-k8": run}) == []
