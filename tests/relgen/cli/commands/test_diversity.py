"""`relgen diversity` from arguments to output, with an encoder that needs no weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from relgen import models
from relgen.cli import main
from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample, write_samples
from relgen.evaluation.diversity import measurement


class _Lengths:
    def __init__(self, name: str) -> None:
        self.name = name

    def encode(self, texts: Sequence[str]) -> Tensor:
        return torch.eye(40)[[len(text) for text in texts]]


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    # the room's own name stays once another test has asked for it
    monkeypatch.setattr(models, "SentenceEncoder", _Lengths)


def _write(path: Path, relation: str, count: int) -> Path:
    texts = [f"ab {'c' * number} de" for number in range(1, count + 1)]
    write_samples(
        path,
        [
            Sample(
                f"{relation}-{n}", text, Entity(0, 2), Entity(len(text) - 2, len(text)), relation
            )
            for n, text in enumerate(texts)
        ],
    )
    return path


def _run(*arguments: str | Path) -> None:
    main.run(["diversity", *map(str, arguments)])


def test_labels_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(_write(tmp_path / "g.jsonl", "[bold]a[/bold] :smile: [/]", 3))
    assert "[bold]a[/bold] :smile: [/]" in " ".join(capsys.readouterr().out.split())


def test_json_of_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(_write(tmp_path / "g.jsonl", "r", 3), "--json", "--out", tmp_path / "d.json")
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["sizes"] == {"r": 3}
    assert result["overall"]["cosine"] == 0.0
    assert result["encoder"] == "all-minilm-l6-v2"
    assert json.loads((tmp_path / "d.json").read_text()) == result
    assert "d.json" in printed.err


def test_against_cuts_both_to_one_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generated, human = _write(tmp_path / "g.jsonl", "r", 5), _write(tmp_path / "h.jsonl", "r", 2)
    _run(generated, "--against", human, "--json")
    result = json.loads(capsys.readouterr().out)
    assert result["sizes"] == result["against"]["sizes"] == {"r": 2}


def test_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(_write(tmp_path / "g.jsonl", "r", 1))
    printed = capsys.readouterr().out
    assert "mean over relations" in printed
    assert "–" in printed  # one sample has no pairwise cosine
    assert "self-BLEU ↓" in printed


def test_the_table_tells_how_many_sentences_self_bleu_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(_write(tmp_path / "g.jsonl", "r", 4))
    assert "drawn by seed" not in capsys.readouterr().out
    monkeypatch.setattr(measurement, "SELF_BLEU_SENTENCES", 3)
    _run(tmp_path / "g.jsonl")
    assert "Self-BLEU of r: on 3 sentences, drawn by seed." in capsys.readouterr().out


def test_files_without_a_common_relation_are_refused(tmp_path: Path) -> None:
    generated, human = _write(tmp_path / "g.jsonl", "r", 2), _write(tmp_path / "h.jsonl", "q", 2)
    with pytest.raises(InputError, match=r"h\.jsonl: shares no relation"):
        _run(generated, "--against", human)


def test_a_size_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--size"):
        _run(_write(tmp_path / "g.jsonl", "r", 2), "--size", "0")
