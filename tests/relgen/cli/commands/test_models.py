"""`relgen models`: lists converted models, and removes one by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.cli.main import main
from relgen.models.gguf import converted
from tests.tiny.gguf_files import llama, write_gguf


def test_the_command_lists_and_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("RELGEN_CACHE", str(cache))
    assert main(["models"]) == 0
    assert capsys.readouterr().out == f"0 models, 0.00 GB -> {cache}\n"
    file = write_gguf(tmp_path / "tiny.gguf", llama())
    name = converted(file).name
    assert main(["models"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed == [f"{name}    0.00 GB  {file}", f"1 model, 0.00 GB -> {cache}"]
    assert main(["models", "--remove", "tiny"]) == 2
    assert f"one of {name}" in capsys.readouterr().err
    assert main(["models", "--remove", name]) == 0
    assert not (cache / name).exists()
