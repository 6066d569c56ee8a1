"""Grids: cells that differ in a few keys, each with a folder of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from relgen.errors import InputError
from relgen.grid import load_grid

TEXT = """
corpus: everyday
arms: [human, obo_mix]
generator: {samples: 8, chains: 2}
cells:
  - {shots: 8}
  - {shots: 16, generator: {samples: 4}}
  - {shots: 16, arms: [human], name: alone}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_a_cell_gives_wins_and_mappings_are_merged(tmp_path: Path) -> None:
    grid = load_grid(written(tmp_path, TEXT))
    assert (grid.name, grid.single) == ("grid", False)
    assert [cell.name for cell in grid.cells] == ["everyday-k8", "everyday-k16", "alone"]
    generators = [cell.experiment.generator for cell in grid.cells]
    assert [(g.samples, g.chains) for g in generators] == [(8, 2), (4, 2), (8, 2)]
    assert [cell.experiment.arms for cell in grid.cells][1:] == [("human", "obo_mix"), ("human",)]
    assert grid.cells[0].folder(tmp_path) == tmp_path / "everyday-k8"


def test_an_experiment_is_a_grid_of_one_cell(tmp_path: Path) -> None:
    grid = load_grid(written(tmp_path, "corpus: everyday\n"))
    assert grid.single
    assert grid.cells[0].experiment.name == "grid"
    assert grid.cells[0].folder(tmp_path) == tmp_path


def test_two_corpora_do_not_mix_their_keys(tmp_path: Path) -> None:
    common, own = "{train: a, test: b, schema: s}", "{train: c, test: d, schema: e}"
    text = f"corpus: {common}\ncells:\n  - {{corpus: {own}}}\n"
    (cell,) = load_grid(written(tmp_path, text)).cells
    assert cell.name == "e-k8"
    assert cell.experiment.corpus.train == "c"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("corpus: everyday\ncells: []\n", "field 'cells': must be a list"),
        ("corpus: everyday\ncells: [8]\n", r"field 'cells\[0\]': must be a mapping"),
        ("corpus: everyday\ncells: [{shots: 8}, {}]\n", "another cell has this name"),
        ("corpus: everyday\ncells: [{shot: 8}]\n", r"cells\[0\]: field 'shot': unknown key"),
        ("corpus: everyday\ncells: [{name: a/b}]\n", "must be a folder's name"),
        ("cells: [{shots: 8}]\n", "field 'corpus': missing"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_grid(written(tmp_path, text))
    assert "grid.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


# of which a grid may have its own: models and sizes
SIZES = ("generator", "dpo", "dpo_epochs", "classifiers", "classifier_steps", "seeds")


def test_the_papers_grid_and_the_small_one_differ_in_models_and_sizes_only() -> None:
    big, small = load_grid("paper"), load_grid("paper_small")
    cells = {cell.name: cell.experiment for cell in big.cells}
    shared = [cell for cell in small.cells if cell.name in cells]
    assert [cell.name for cell in shared] == [
        "semeval-k8",
        "semeval-k8-ablations",
        "semeval-k8-window",
        "semeval-k8-sizes",
        "semeval-k8-read-labels",
    ]
    for cell in shared:
        theirs = cells[cell.name]
        same = {key: getattr(theirs, key) for key in SIZES}
        # the sizes to be compared are the numbers of samples
        same |= {"arms": theirs.arms} if cell.name.endswith("sizes") else {}
        assert replace(cell.experiment, **same) == theirs
        assert len(cell.experiment.classifiers) == len(theirs.classifiers)
        assert len(cell.experiment.seeds) >= 3
    settings = {(cell.experiment.corpus, cell.experiment.shots) for cell in big.cells}
    assert settings == {(c, k) for c in ("tacred", "retacred", "semeval") for k in (8, 16, 32)}
    assert all(len(cell.experiment.seeds) == 5 for cell in big.cells)


def test_a_cells_settings_are_its_own(tmp_path: Path) -> None:
    grid = load_grid(written(tmp_path, TEXT))
    shown = [yaml.safe_load(cell.experiment.source) for cell in grid.cells]
    assert [of["generator"]["samples"] for of in shown] == [8, 4, 8]
    assert "cells" not in shown[0]
    assert "cells" in yaml.safe_load(grid.source)
