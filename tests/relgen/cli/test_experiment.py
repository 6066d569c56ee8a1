"""`relgen.run`: an experiment from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import relgen
from relgen.cli import experiment
from relgen.common.errors import InputError
from relgen.common.files import write_json
from relgen.experiments.runner import RunOptions


def test_it_runs_the_stages_and_returns_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(options: RunOptions, execute: Any) -> list[Path]:
        assert callable(execute)
        assert options.cell == ()
        write_json(Path(options.out) / "results.json", {"experiment": options.experiment})
        return [Path(options.out)]

    monkeypatch.setattr(experiment, "run_experiments", run)
    assert relgen.run("everyday", out=tmp_path) == {"experiment": "everyday"}


def test_a_grid_needs_the_name_of_a_cell(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a grid needs the name of one cell; one of "):
        relgen.run("paper_small", out=tmp_path)
    with pytest.raises(InputError, match="no such cell"):
        relgen.run("paper_small", out=tmp_path, cell="k9")


def test_the_package_offers_its_few_names() -> None:
    names = {"Sample", "RelationSchema", "load_classifier", "generate", "label", "run"}
    assert names <= set(dir(relgen))
    assert all(callable(getattr(relgen, name)) for name in names)
