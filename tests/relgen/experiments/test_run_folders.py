"""Folders that belong to something else are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from relgen.common.errors import InputError
from relgen.experiments.config import Experiment
from tests.relgen.experiments.fake_commands import FakeCommands, do


def test_folders_of_others_are_refused(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    do(commands, experiment, out)
    other = Experiment(name="other", corpus=experiment.corpus)
    with pytest.raises(InputError, match=r"belongs to another experiment \(got 'mine'\)"):
        do(commands, other, out)
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="not empty"):
        do(commands, experiment, full)
    assert (full / "thesis.tex").exists()


def test_two_runs_in_one_folder_are_refused(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    do(commands, experiment, out)
    match = "another relgen command is writing to this folder"
    with FileLock(out / ".relgen.lock"), pytest.raises(InputError, match=match):
        do(commands, experiment, out)


def test_a_folder_marked_half_way_is_still_ours(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / ".experiment.json.abc.tmp").write_text("{", encoding="utf-8")
    (out / ".relgen.lock").touch()
    do(commands, experiment, out)
    assert (out / "results.json").is_file()
