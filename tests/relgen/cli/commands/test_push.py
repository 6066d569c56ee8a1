"""`relgen push`: what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.cli.main import main
from tests.relgen.cli.failing import failed


def test_the_address_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def push(folder: str, repository: str, *, public: bool) -> str:
        asked.append((folder, repository, public))
        return "https://hub/commit"

    monkeypatch.setattr("relgen.classifiers.push", push)
    assert main(["push", "model", "ann/relations", "--public"]) == 0
    assert capsys.readouterr().out == "pushed -> https://hub/commit\n"
    assert asked == [("model", "ann/relations", True)]


def test_a_foreign_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not a folder that relgen" in failed(capsys, "push", str(tmp_path), "ann/relations")
