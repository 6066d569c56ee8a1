"""`relgen report`: folders that hold no finished results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.relgen.cli.failing import failed


def test_the_report_of_an_unfinished_grid_names_the_grids_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = {"name": "mine", "cells": ["k1", "k2"], "settings": ""}
    (tmp_path / "grid.json").write_text(json.dumps(mark), encoding="utf-8")
    (tmp_path / "k1").mkdir()
    (tmp_path / "k1" / "results.json").write_text("{}", encoding="utf-8")
    line = failed(capsys, "report", str(tmp_path))
    assert "not finished" in line
    assert "['k2']" in line
    assert f"--out {tmp_path}" in line
