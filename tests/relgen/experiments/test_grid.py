"""Grids: cells that differ in a few keys, each with a folder of its own."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from relgen.common.errors import InputError
from relgen.experiments.config import Experiment
from relgen.experiments.grid import load_grid

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
        ("corpus: everyday\ncells: [{shot: 8}]\n", r"field 'cells\[0\].shot': unknown key"),
        ("corpus: everyday\ncells: [{name: a/b}]\n", "must be a folder's name"),
        ("cells: [{shots: 8}]\n", r"field 'corpus': missing \(in cells\[0\]\)"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_grid(written(tmp_path, text))
    assert "grid.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


# of which a grid may have its own: models, their presets, and sizes
OWN = {"seeds", "dpo", "dpo_epochs", "classifiers", "classifier_steps", "generator", "arms"}
OWN_OF_GENERATOR = {"model", "samples", "obo", "aao", "xu2023"}


def shared(experiment: Experiment) -> dict[str, Any]:
    """All of an experiment but models and sizes."""
    content = asdict(experiment)
    generator = content["generator"]
    rest = {key: value for key, value in content.items() if key not in {*OWN, "source"}}
    rest["generator"] = {k: v for k, v in generator.items() if k not in OWN_OF_GENERATOR}
    # how many numbers of samples a curve has is a size
    rest["arms"] = [arm for arm in content["arms"] if "@" not in arm]
    return rest


def test_the_papers_grid_and_the_small_one_differ_in_models_and_sizes_only() -> None:
    big, small = (
        {cell.name: cell.experiment for cell in load_grid(name).cells}
        for name in ("paper", "paper_small")
    )
    corpora = ("tacred", "tacrev", "retacred", "semeval")
    main = [f"{corpus}-k{shots}" for corpus in corpora for shots in (8, 16, 32)]
    assert [name for name in big if name not in main] == [n for n in small if n not in main]
    assert [name for name in small if name in main] == ["semeval-k8"]
    assert [name for name in big if name in main] == main
    for name, experiment in small.items():
        theirs = big[name]
        assert shared(experiment) == shared(theirs)
        kinds = [[preset.split("_")[0] for preset in e.classifiers] for e in (experiment, theirs)]
        assert len(kinds[0]) == len(kinds[1])
        if name in main:
            assert kinds[0] == kinds[1]
        assert len(experiment.seeds) == (1 if name == "semeval-k32-untuned" else 3)
    assert {len(experiment.seeds) for experiment in big.values()} == {5}
    for name in main:
        assert shared(big[name]) == {**shared(big["tacred-k8"]), **varied(big[name])}


def varied(experiment: Experiment) -> dict[str, Any]:
    """What the cells of the main comparison differ in."""
    return {key: getattr(experiment, key) for key in ("name", "corpus", "shots")}


def test_the_further_cells_of_the_small_grid_are_trained_alike() -> None:
    small = {cell.name: cell.experiment for cell in load_grid("paper_small").cells}
    more = {cell.name: cell.experiment for cell in load_grid("paper_small_more").cells}
    assert small.keys().isdisjoint(more)
    beside = small["semeval-k8-read-labels"]
    own = ("name", "arms", "label", "order", "source", "direct")
    for experiment in more.values():
        same = {key: getattr(beside, key) for key in own}
        assert experiment.order is None
        assert replace(experiment, **same) == beside


def test_a_cells_settings_are_its_own(tmp_path: Path) -> None:
    grid = load_grid(written(tmp_path, TEXT))
    shown = [yaml.safe_load(cell.experiment.source) for cell in grid.cells]
    assert [of["generator"]["samples"] for of in shown] == [8, 4, 8]
    assert "cells" not in shown[0]
    assert "cells" in yaml.safe_load(grid.source)
