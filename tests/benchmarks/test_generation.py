"""The benchmark runs whole on a tiny model: all sides write the same texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import generation
from tests.relgen.generation import tiny


def test_the_sides_write_the_same_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "generation.json"
    model = tiny.save_tiny(tmp_path / "model")
    options = ["--model", str(model), "--samples", "2", "--threads", "1"]
    options += ["--words", "1", "--max-new-tokens", "400"]
    generation.main([*options, "--sides", "cached,generate", "--json", str(out)])
    sides = json.loads(out.read_text(encoding="utf-8"))["K=2"]
    cached, generate = (sides[side][0] for side in ("cached", "generate"))
    assert cached["texts"] == generate["texts"]
    assert cached["drafted"] == generate["drafted"] > 0
    assert cached["read"] < generate["read"]
    assert 0 < cached["grammar_share"] < 1
    assert "generate" in capsys.readouterr().out


def test_other_texts_stop_it() -> None:
    found = {"cached": [{"texts": ["a"]}], "generate": [{"texts": ["b"]}]}
    with pytest.raises(RuntimeError, match="cached, generate do not write the same texts"):
        generation._check_texts(found)


def test_nothing_to_compare_stops_it() -> None:
    found = {"cached": [{"texts": []}], "generate": [{"texts": []}]}
    with pytest.raises(RuntimeError, match="nothing was accepted"):
        generation._check_texts(found)
