"""A grid over real commands: cells, parts of them, and jobs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.common.presets import find_config

TEXT = """
corpus: everyday
seeds: [1, 2]
arms: [human]
cells:
  - {shots: 1}
  - {shots: 2}
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    shipped = find_config("classifier/entity_marker").read_text(encoding="utf-8")
    quick = re.sub("max_steps: [0-9]+", "max_steps: 4", shipped)
    assert quick != shipped
    (tmp_path / "quick.yaml").write_text(quick, encoding="utf-8")
    path = tmp_path / "grid.yaml"
    path.write_text(f"{TEXT}classifiers: [{tmp_path / 'quick.yaml'}]\n", encoding="utf-8")
    return path


def test_a_dry_run_prints_every_cell(grid: Path, tmp_path: Path, capsys) -> None:
    out = str(tmp_path / "run")
    assert cli.main(["run", str(grid), "--out", out, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.index("## everyday-k1") < said.index("--shots 1") < said.index("## everyday-k2")
    end = f"# report of all cells, once each has results\nrelgen report {out}\n"
    # a corpus, and for each cell and seed a split, its diversity, a training and a test
    assert f"{end}# 17 stages to do: about 49 s (roughly, as measured on two cores)\n" in said
    assert cli.main(["run", str(grid), "--out", out, "--dry-run", "--cell", "everyday-k2"]) == 0
    assert "--shots 1 " not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cell", "x"], "no such cell (got 'x'); cells: everyday-k1, everyday-k2"),
        (["--seed", "3"], "no such seed (got 3); seeds: 1, 2"),
        (["--jobs", "-1"], "must be a whole number of at least 0 or null"),
        (["--jobs", "2", "--seed", "1"], "cannot be combined with --jobs"),
        (
            ["--cluster", "slurm"],
            "needs --jobs (got 'slurm'); give --jobs N, the number of",
        ),
        (["--cluster-option", "timeout_min=9"], "needs --jobs"),
    ],
)
def test_mistakes(grid: Path, tmp_path: Path, capsys, options: list[str], message: str) -> None:
    assert cli.main(["run", str(grid), "--out", str(tmp_path / "run"), *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_seed_that_the_chosen_cell_lacks(grid: Path, tmp_path: Path, capsys) -> None:
    text = grid.read_text(encoding="utf-8").replace("{shots: 2}", "{shots: 2, seeds: [7]}")
    grid.write_text(text, encoding="utf-8")
    options = ["--out", str(tmp_path / "run"), "--dry-run", "--seed", "7", "--cell"]
    assert cli.main(["run", str(grid), *options, "everyday-k1"]) == 2
    assert "no such seed (got 7); seeds: 1, 2" in capsys.readouterr().err
    assert cli.main(["run", str(grid), *options, "everyday-k2"]) == 0


def test_a_folder_is_one_grids(grid: Path, tmp_path: Path, capsys) -> None:
    foreign, mine = tmp_path / "foreign", tmp_path / "mine"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("mine", encoding="utf-8")
    assert cli.main(["run", str(grid), "--out", str(foreign)]) == 2
    assert "this folder is not empty" in capsys.readouterr().err
    assert [path.name for path in foreign.iterdir()] == ["letter.txt"]
    split = ["--cell", "everyday-k1", "--only", "split"]
    assert cli.main(["run", str(grid), "--out", str(mine), "--only", "corpus", *split]) == 0
    other = grid.rename(tmp_path / "other.yaml")
    assert cli.main(["run", str(other), "--out", str(mine), *split]) == 2
    assert "belongs to another grid (got 'grid')" in capsys.readouterr().err
    (mine / "grid.json").write_text("{}", encoding="utf-8")
    assert cli.main(["report", str(mine)]) == 2
    assert "does not name the cells" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.weights
def test_jobs_do_what_one_process_would(grid: Path, tmp_path: Path, capsys) -> None:
    together, apart = tmp_path / "together", tmp_path / "apart"
    assert cli.main(["run", str(grid), "--out", str(together), "--jobs", "2"]) == 0
    said = capsys.readouterr().err
    assert said.count("done: everyday-k") == 4
    assert cli.main(["run", str(grid), "--out", str(apart)]) == 0
    for cell in ("everyday-k1", "everyday-k2"):
        rows = [
            json.loads((folder / cell / "results.json").read_text())["arms"]
            for folder in (together, apart)
        ]
        assert [row["seed"] for row in rows[0]] == [1, 2]
        for ours, theirs in zip(*rows, strict=True):
            assert ours["micro_f1"] == pytest.approx(theirs["micro_f1"], abs=0.02)
    capsys.readouterr()
    assert cli.main(["run", str(grid), "--out", str(together), "--jobs", "2"]) == 0
    assert "done: everyday-k" not in capsys.readouterr().err  # nothing was left to do
