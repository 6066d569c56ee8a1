"""Several runs side by side: their tables, what is claimed from them, and the two files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relgen.cli import main as cli
from relgen.common.files import read_json, write_json
from relgen.reporting import comparison, tables
from relgen.reporting.comparison import Compared
from relgen.reporting.data import load_run
from relgen.reporting.report import _render, comparison_content
from relgen.reporting.sizes import level_off, size_curves
from tests.relgen.reporting.fake_run import make_run
from tests.relgen.reporting.test_report import _Page

ARMS = ("human", "obo_mix", "obo_dpo_mix", "obo_dpo_mix@4", "obo_dpo_window_mix", "xu2023")
MICRO = dict(zip(ARMS, (0.5, 0.55, 0.6, 0.58, 0.52, 0.45), strict=True))


def row(arm: str, than: str, low: float, high: float) -> dict[str, Any]:
    return {
        "arm": arm,
        "than": than,
        "classifier": "entity_marker",
        "n_seeds": 2,
        "mean": (low + high) / 2,
        # Student's interval is a point wider on both sides
        "low": low - 0.01,
        "high": high + 0.01,
        "bootstrap": {"low": low, "high": high},
    }


@pytest.fixture
def runs(tmp_path: Path) -> list[Compared]:
    made = []
    for shots, shift in ((8, 0.0), (16, -0.1)):
        folder = make_run(tmp_path / f"k{shots}", arms=ARMS, micro=MICRO)
        results = read_json(folder / "results.json")
        results |= {
            "shots": shots,
            "against_human": [row("obo_dpo_mix", "human", 0.02 + shift, 0.08 + shift)],
            "against_no_dpo": [row("obo_dpo_mix", "obo_mix", -0.01, 0.05)],
            "against_method": [
                row("obo_dpo_window_mix", "obo_dpo_mix", -0.09, -0.02),
                row("xu2023", "obo_dpo_mix", -0.2, -0.1),
            ],
        }
        write_json(folder / "results.json", results)
        made.append(Compared(f"semeval-k{shots}", load_run(folder)))
    return made


def texts(table: comparison.Table) -> dict[str, list[str]]:
    return {r.name: [f"{c.text} {c.note}".strip() for c in r.cells] for r in table.rows}


def test_the_main_table_leaves_ablations_and_parts_out(runs: list[Compared]) -> None:
    table = comparison.main_table(runs)
    assert table.columns == ["Arm", "semeval-k8", "semeval-k16"]
    found = texts(table)
    assert list(found) == ["human", "obo_mix", "obo_dpo_mix", "xu2023"]
    assert found["human"][0] == "50.5 ± 0.5"  # the seeds are half a point apart
    assert [r.cells[0].best for r in table.rows] == [False, False, True, False]


def test_ablations_stand_beside_the_method_with_their_differences(runs: list[Compared]) -> None:
    table = comparison.ablation_table(runs)
    assert table is not None
    found = texts(table)
    assert list(found) == ["obo_mix", "obo_dpo_mix", "obo_dpo_window_mix"]
    assert found["obo_dpo_window_mix"][0] == "52.5 ± 0.5; -5.5 (-9.0 to -2.0; -10.0 to -1.0)"
    assert found["obo_dpo_mix"][0] == "60.5 ± 0.5"
    plain = [Compared("x", load_run(make_run(runs[0].run.folder.parent / "plain")))]
    assert comparison.ablation_table(plain) is None


def test_differences(runs: list[Compared]) -> None:
    table = comparison.difference_table(runs, "against_human")
    assert table is not None
    assert texts(table) == {
        "obo_dpo_mix": ["+5.0 (+2.0 to +8.0; +1.0 to +9.0)", "-5.0 (-8.0 to -2.0; -9.0 to -1.0)"]
    }


def test_direct_stands_beside_every_classifiers_human_samples(runs: list[Compared]) -> None:
    for one in runs:
        for name in ("entity_marker", "knowprompt"):
            one.run.results["against_human"].append(
                {**row("direct", "human", -0.3, -0.1), "classifier": name}
            )
        one.run.arms += [
            replace(one.run.arms[0], arm="direct", classifier="direct"),
            replace(one.run.arms[0], classifier="knowprompt"),
        ]
    table = comparison.difference_table(runs, "against_human")
    assert table is not None
    assert [r.name for r in table.rows][1:] == ["direct · entity_marker", "direct · knowprompt"]


def test_claims_are_counted_by_their_intervals(runs: list[Compared]) -> None:
    said = comparison.verdicts(runs)

    def both(arm: str) -> str:
        settings = ("semeval-k8", "semeval-k16")
        return f"2 ({'; '.join(f'{arm} with entity_marker in {name}' for name in settings)})"

    assert said == [
        "Human and generated samples beat human ones. Comparisons that support it: 1 "
        "(obo_dpo_mix with entity_marker in semeval-k8); that contradict it: 1 (obo_dpo_mix with "
        "entity_marker in semeval-k16); open: 0.",
        "DPO helps. Comparisons that support it: 0; that contradict it: 0; open: 2.",
        "A window of demonstrations hurts. Comparisons that support it: "
        f"{both('obo_dpo_window_mix')}; that contradict it: 0; open: 0.",
        "The method beats Xu et al. 2023. Comparisons that support it: "
        f"{both('xu2023')}; that contradict it: 0; open: 0.",
    ]


def test_a_claim_has_to_be_outside_of_both_intervals(runs: list[Compared]) -> None:
    (found,) = runs[0].run.results["against_human"]
    found |= {"low": -0.01, "high": 0.09}
    runs[1].run.results["against_human"] = []
    assert "support it: 0; that contradict it: 0; open: 1." in comparison.verdicts(runs)[0]


def test_the_same_comparison_counts_once_and_that_of_one_seed_not_at_all(
    runs: list[Compared],
) -> None:
    # the ablations' run holds the main run's arms again
    again = Compared("semeval-k8-ablations", runs[0].run)
    assert comparison.verdicts([runs[0], again]) == comparison.verdicts(runs[:1])
    for key in ("against_human", "against_no_dpo", "against_method"):
        for found in runs[0].run.results[key]:
            found["n_seeds"] = 1
    assert comparison.verdicts(runs[:1]) == []


def test_results_without_a_bootstrap_are_shown_without_it(runs: list[Compared]) -> None:
    del runs[0].run.results["against_human"][0]["bootstrap"]
    table = comparison.difference_table(runs[:1], "against_human")
    assert table is not None
    assert texts(table) == {"obo_dpo_mix": ["+5.0"]}
    assert not [line for line in comparison.verdicts(runs[:1]) if line.startswith("Human")]


def test_published_figures_stand_beside_ours_where_the_setting_is_the_papers(
    runs: list[Compared],
) -> None:
    ((label, table),) = comparison.published_tables(runs)  # the paper has no SemEval at K = 16 here
    assert label == "semeval-k8"
    assert table.columns == ["", "published", "here, entity_marker, labels as read"]
    assert texts(table)["human only"] == ["61.39", "50.5"]
    assert texts(table)["mix, OBO"] == ["67.92", "60.5"]
    assert "Direct-RE" not in texts(table)  # there is none here


def test_published_figures_stand_once_and_beside_knowprompt(runs: list[Compared]) -> None:
    fewer = Compared("semeval-k8-sizes", replace(runs[0].run, arms=runs[0].run.arms[:2]))
    more = Compared(
        "semeval-k8-main",
        replace(
            runs[0].run,
            arms=[*runs[0].run.arms, replace(runs[0].run.arms[0], classifier="knowprompt_small")],
            settings={"label": None},
        ),
    )
    ((label, table),) = comparison.published_tables([fewer, more])
    assert label == "semeval-k8-main"
    assert table.columns == ["", "published", "here, knowprompt_small"]


def test_curves(runs: list[Compared]) -> None:
    first = size_curves(runs)[0]
    # the whole set counts as its size, 16 samples a relation
    assert [n for n, _, _ in first.points] == [4, 16]
    assert first.points[0][1] == pytest.approx(0.585)
    assert (first.level, first.left) == (None, None)  # 16 beats 4 by two points in every seed


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        # what the published grid has: 8, 16 and 32 samples
        (
            {4: [0.37, 0.38], 8: [0.23, 0.22], 16: [0.13, 0.15]},
            "highest at 4, falls after it (the largest number: -23.5, standard error 0.5)",
        ),
        (
            {4: [0.50, 0.52], 8: [0.55, 0.56], 16: [0.45, 0.44]},
            "highest at 8, falls after it (the largest number: -11.0, standard error 1.0)",
        ),
        (
            {4: [0.50, 0.52], 8: [0.60, 0.61], 16: [0.6018, 0.6078]},
            "levels off at 8 (the largest number: 0.0, standard error 0.2)",
        ),
        ({4: [0.5, 0.5], 16: [0.6, 0.6]}, "no level-off point"),
    ],
)
def test_a_curve_that_falls_does_not_level_off(
    runs: list[Compared], scores: dict[int, list[float]], said: str
) -> None:
    some = runs[0].run.arms[0]
    arms = [
        replace(some, arm=f"obo_mix@{n}", seed=seed, figures={"micro_f1": score})
        for n, of in scores.items()
        for seed, score in enumerate(of)
    ]
    one = Compared("k8", replace(runs[0].run, arms=arms))
    assert size_curves([one])[0].ending == said


def test_nothing_has_no_sign() -> None:
    assert [tables.points(x) for x in (0.0152, -0.2, -0.0004)] == ["+1.5", "-20.0", "0.0"]


@pytest.mark.parametrize(
    ("scores", "level"),
    [
        ({8: [0.5, 0.5], 16: [0.6, 0.61], 32: [0.6, 0.61], 64: [0.61, 0.6]}, 16),
        ({8: [0.6, 0.6], 16: [0.59, 0.6]}, 8),
        ({8: [0.5, 0.5], 16: [0.6, 0.6]}, None),
        ({8: [0.5], 16: [0.5]}, None),
    ],
)
def test_level_off(scores: dict[int, list[float]], level: int | None) -> None:
    assert level_off({n: dict(enumerate(of)) for n, of in scores.items()}) == level


def test_what_was_generated_and_labelled_is_shown_once(
    runs: list[Compared], tmp_path: Path
) -> None:
    # a cell that shares all of its generation, and one that labels it anew
    counts = {"Other": {"intended": 8, "labelled": 5, "agreed": 3}}
    shared = Compared("k8-window", replace(runs[0].run, arms=runs[0].run.arms[:3]))
    labelled = [
        replace(arm, figures={**arm.figures, "labelling": {"relations": counts}})
        for arm in runs[1].run.arms
    ]
    other = Compared("k16-read", replace(runs[1].run, arms=labelled))
    for arm in labelled:
        if arm.figures["generation"]:
            arm.figures["generation"] = {**arm.figures["generation"], "accepted": 301}
    found = comparison.once([runs[0], shared, other], tables.generation_table)
    assert [label for label, _ in found] == ["semeval-k8", "k16-read"]
    assert texts(found[0][1])["accepted"] == ["900"] * 4  # 300 a seed
    ((label, table),) = comparison.once([runs[0], shared, other], tables.labelling_table)
    assert (label, texts(table)["Other"][0]) == ("k16-read", "24 → 15 (9 of both)")
    content = comparison_content([runs[0], other], "x", "")
    for path in _render("comparison", content, tmp_path / "shown"):
        text = path.read_text(encoding="utf-8")
        assert "Drafts accepted and rejected, k16-read" in text
        assert "24 → 15" in text


def test_each_corpus_has_its_cosines_and_its_case_studies(
    runs: list[Compared], tmp_path: Path
) -> None:
    small = Compared("tacred-k8", load_run(make_run(tmp_path / "t8", corpus="tacred")))
    folder = make_run(tmp_path / "t32", corpus="tacred", arms=("human",), show_human=False)
    write_json(folder / "results.json", {**read_json(folder / "results.json"), "shots": 32})
    large = Compared("tacred-k32", load_run(folder))
    content = comparison_content([*runs, small, large], "x", "")
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
    runs: list[Compared], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(one.run.folder) for one in runs]
    out = tmp_path / "both"
    assert cli.main(["report", "--compare", *folders, "--out", str(out)]) == 0
    page = _Page((out / "report.html").read_text(encoding="utf-8"))
    assert page.headings[0] == "k8 and k16"
    assert "Ablations" in page.headings
    assert not [v for n, v in page.attributes if n in ("src", "href")]
    markdown = (out / "report.md").read_text(encoding="utf-8")
    assert "| obo\\_dpo\\_mix" in markdown or "| obo_dpo_mix" in markdown
    assert "4: 58.5 ± 0.5, 16: 60.5 ± 0.5; no level-off point" in markdown
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
    runs: list[Compared], tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    folder = runs[0].run.folder
    write_json(tmp_path / "grid.json", {"name": "paper", "cells": ["k8"], "settings": ""})
    given = {"outside": str(folder), "inside": f"{folder}/../k8", "grid": str(tmp_path)}[where]
    (folder / "report.md").write_text("the run's own", encoding="utf-8")
    assert cli.main(["report", "--compare", given]) == 2
    said = capsys.readouterr().err
    assert "one run cannot be compared with itself" in said
    assert "relgen report" in said
    assert (folder / "report.md").read_text(encoding="utf-8") == "the run's own"


def test_the_cells_of_a_grid_are_compared_beside_its_own_report(
    runs: list[Compared], tmp_path: Path
) -> None:
    grid = tmp_path / "grid"
    for one in runs:
        make_run(grid / one.run.folder.name)
    write_json(grid / "grid.json", {"name": "paper", "cells": ["k8", "k16"], "settings": "x: 1"})
    (grid / "report.md").write_text("the grid's own", encoding="utf-8")
    assert cli.main(["report", "--compare", str(grid)]) == 0
    assert (grid / "report.md").read_text(encoding="utf-8") == "the grid's own"
    assert (tmp_path / "grid-compared" / "report.md").is_file()


def test_a_grids_report_is_that_of_its_cells(runs: list[Compared], tmp_path: Path) -> None:
    cells = [one.run.folder.name for one in runs]
    grid = {"name": "paper", "cells": cells, "settings": "cells: [<b>]\n"}
    write_json(tmp_path / "grid.json", grid)
    assert cli.main(["report", str(tmp_path)]) == 0
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.headings[0] == "paper"
    assert "cells: [<b>]" in page.text
