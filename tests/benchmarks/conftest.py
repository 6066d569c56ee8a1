"""What tests of several benchmarks need."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks import harness


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Sides run here, since a process for each would take a minute to import."""

    def run(arguments: Sequence[str], threads: int, until: float | None, **_: Any) -> Any:
        capsys.readouterr()
        module = importlib.import_module(arguments[0])
        module.main([*arguments[1:], "--threads", str(threads)])
        return json.loads(capsys.readouterr().out.strip().splitlines()[-1])

    monkeypatch.setattr(harness, "run_side", run)
