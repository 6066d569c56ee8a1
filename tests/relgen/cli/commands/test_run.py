"""`relgen run`: the plan it prints is made of lines that a person can type."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from relgen.cli.main import main


def test_a_dry_run_prints_commands_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "everyday", "--out", str(tmp_path / "x"), "--dry-run"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("relgen ")]
    words = [shlex.split(line)[1] for line in lines]
    assert words[:3] == ["data", "data", "chains"]
    assert {"generate", "label", "diversity", "classifier", "dpo"} <= set(words)
    assert not (tmp_path / "x").exists()
