"""`relgen export`: what it refuses before it loads a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.relgen.cli.failing import failed


def test_it_merges_or_says_that_there_is_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "x")
    assert "give --merge" in failed(capsys, "export", str(tmp_path), "--out", out)
    line = failed(capsys, "export", str(tmp_path), "--merge", "--out", out)
    assert "no adapter in this folder" in line
    assert not (tmp_path / "x").exists()
