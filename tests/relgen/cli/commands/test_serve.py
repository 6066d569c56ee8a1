"""`relgen serve`: what it passes on, and refuses before it listens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relgen.cli.main import main
from relgen.deployment.limits import Limits
from tests.relgen.cli.failing import failed


def test_options_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        "relgen.deployment.serve", lambda model, **more: asked.update(more, model=model)
    )
    assert main(["serve", "ann/relations", "--port", "0", "--limits-batch", "8"]) == 0
    assert asked == {
        "model": "ann/relations",
        "host": "127.0.0.1",
        "port": 0,
        "device": "cpu",
        "precision": "float32",
        "limits": Limits(batch=8),
    }


def test_a_folder_without_a_classifier_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    assert "no classifier in this folder" in failed(capsys, "serve", str(tmp_path))
