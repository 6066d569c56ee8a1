"""`relgen label` from arguments to output, with a reader that knows the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.data.samples import write_samples
from relgen.labelling import labeller
from tests.relgen.labelling.words import LABELS, Words, sample, write_files


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return write_files(tmp_path)


def test_the_command(
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(labeller, "StateReader", lambda *_: Words())
    out = tmp_path / "out.jsonl"
    command = [
        "label",
        str(files["a"]),
        "--train",
        str(files["train"]),
        "--schema",
        str(files["s"]),
    ]
    assert cli.main([*command, "--out", str(out)]) == 0
    assert capsys.readouterr().out == (
        "150 samples labelled; 50 labels agree with the relation asked for (micro-F1 40.0); "
        f"cross-validated micro-F1 on {files['train']}: 100.0 -> {out}\n"
    )
    assert json.loads((tmp_path / "out.json").read_text())["samples"] == 150
    assert cli.main([*command, "--out", str(files["train"])]) == 2
    assert "is an input of the command" in capsys.readouterr().err
    assert cli.main([*command, "--penalty", "0", "--out", str(out)]) == 2
    assert "--penalty" in capsys.readouterr().err


def test_a_relation_that_few_sentences_are_read_as_is_named(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(labeller, "StateReader", lambda *_: Words())
    # written for the second relation, and about the first
    written = [sample(i, LABELS[1], f"x{LABELS[0]}", "generated") for i in range(3)]
    write_samples(tmp_path / "lost.jsonl", written)
    command = ["label", str(tmp_path / "lost.jsonl"), "--train", str(files["train"])]
    cli.main([*command, "--schema", str(files["s"]), "--out", str(tmp_path / "o.jsonl")])
    assert capsys.readouterr().err == (
        "warning: few sentences are read as intended: place (0 of 3, mostly as cause); read some "
        "of them; say in the schema's explanations how these relations differ, or label more "
        "samples of them\n"
    )
