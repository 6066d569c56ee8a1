"""`relgen review`: what it passes on, and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.cli.main import main
from relgen.review.options import ReviewOptions
from tests.relgen.cli.failing import failed


def test_options_reach_the_review(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("relgen.review.review", asked.append)
    assert main(["review", "g.jsonl", "--out", "r.jsonl", "--votes", "2", "--port", "0"]) == 0
    assert asked == [ReviewOptions(samples="g.jsonl", out="r.jsonl", votes=2, port=0)]


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["review", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "r.jsonl")]
    assert "no such file" in failed(capsys, *line)
