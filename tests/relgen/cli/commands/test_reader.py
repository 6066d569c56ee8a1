"""`relgen reader` from arguments to output, with a reader that knows the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.classifiers import reader
from relgen.cli import main as cli
from relgen.data.samples import write_samples
from tests.relgen.labelling.words import LABELS, Words, sample, write_files


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reader, "StateReader", lambda *_: Words())
    files = write_files(tmp_path)
    test, out = tmp_path / "test.jsonl", tmp_path / "out"
    write_samples(test, [sample(i + 50, LABELS[i], f"x{LABELS[i]}", "test") for i in range(3)])
    command = ["reader", "--train", str(files["train"]), "--test", str(test)]
    command += ["--schema", str(files["s"]), "--out"]
    assert cli.main([*command, str(out)]) == 0
    assert capsys.readouterr().out == f"3 sentences: micro-F1 100.0 -> {out}\n"
    (out / "reader.json").write_text("{}")
    (out / "predictions.jsonl").rename(tmp_path / "file")
    assert cli.main([*command, str(tmp_path / "file")]) == 2
