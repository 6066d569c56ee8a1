"""`relgen suggest` from arguments to output, with a reader that knows the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.data.samples import read_samples, write_samples
from relgen.labelling import labeller
from tests.relgen.labelling.test_suggestions import raw
from tests.relgen.labelling.words import Words, write_files


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(labeller, "StateReader", lambda *_: Words())
    files = write_files(tmp_path)
    write_samples(tmp_path / "raw.jsonl", [raw(i, "xplace") for i in range(5)])
    return ["suggest", "--train", str(files["train"]), "--schema", str(files["s"])]


def test_sentences(line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_samples(tmp_path / "more.jsonl", read_samples(tmp_path / "train.jsonl")[:1])
    both = (tmp_path / "raw.jsonl").read_text() + (tmp_path / "more.jsonl").read_text()
    (tmp_path / "raw.jsonl").write_text(both)
    out = tmp_path / "next.jsonl"
    given = [*line, "--unlabelled", str(tmp_path / "raw.jsonl"), "-n", "2"]
    assert cli.main([*given, "--out", str(out)]) == 0
    assert capsys.readouterr().out == (
        "2 of 5 sentences to label next (left out: 1 labelled already); cross-validated micro-F1 "
        f"on {tmp_path / 'train.jsonl'}: 100.0; set their `relation`, add them to it, and suggest "
        f"again -> {out}\n"
    )
    # without --out they are printed, and nothing else beside them
    assert cli.main(given) == 0
    said = capsys.readouterr()
    assert said.out == out.read_text()
    assert said.err.startswith("2 of 5 sentences")


def test_errors(line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = read_samples(tmp_path / "train.jsonl")
    changed = [one.with_relation("none") for one in train[:2]]
    write_samples(tmp_path / "train.jsonl", [*changed, *train[2:]])
    assert cli.main([*line, "--errors", "--number", "1"]) == 0
    said = capsys.readouterr()
    (row,) = map(json.loads, said.out.splitlines())
    assert (row["relation"], row["id"]) in {("none", "human-0"), ("none", "human-1")}
    assert said.err == (
        "2 of 12 labels may be wrong, the most suspicious shown; cross-validated micro-F1 on "
        f"{tmp_path / 'train.jsonl'}: 85.7\n"
    )
    assert cli.main(line) == 2
    assert "give one of both" in capsys.readouterr().err
