"""`relgen serve`: what it passes on, and refuses before it listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.cli.main import main
from relgen.deployment.options import ServeOptions, ServerLimits
from tests.relgen.cli.failing import failed


def test_options_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    asked = []
    monkeypatch.setattr("relgen.deployment.serve", asked.append)
    monkeypatch.setattr("relgen.common.check_inputs", lambda options: None)  # no such classifier
    line = [
        "--port",
        "0",
        "--threshold",
        "0.5",
        "--limits-batch",
        "8",
        "--entities",
        "regex:x.yaml",
    ]
    assert main(["serve", "ann/relations", *line]) == 0
    assert asked == [
        ServeOptions(
            model="ann/relations",
            port=0,
            threshold=0.5,
            entities=["regex:x.yaml"],
            limits=ServerLimits(batch=8),
        )
    ]


def test_a_folder_without_a_classifier_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    assert "no classifier in this folder" in failed(capsys, "serve", str(tmp_path))
