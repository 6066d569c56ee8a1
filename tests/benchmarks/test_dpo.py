"""The benchmark runs whole on a small shape, and refuses sides that compute something else."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from benchmarks import dpo, harness


@pytest.mark.slow
def test_the_sides_agree_and_are_tabled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RELGEN_DATA", raising=False)
    out = tmp_path / "dpo.json"
    options = ["--model-shape", "tiny", "--pairs", "3", "--sides", "tree,tree-plain,pairs,rows"]
    dpo.main([*options, "--threads", "1", "--json", str(out)])
    content = json.loads(out.read_text(encoding="utf-8"))
    sides = content["K=3"]
    assert set(sides) == {"tree", "tree-plain", "pairs", "rows"}
    tokens = [sides[side]["measured"][0]["tokens"] for side in ("tree", "pairs", "rows")]
    assert tokens == sorted(tokens)
    assert tokens[0] < tokens[1] < tokens[2]
    assert all(side["gradient"] < 1e-4 for side in sides.values())
    assert content["environment"]["threads"] == 1
    table = capsys.readouterr().out
    assert "the everyday corpus" in table
    assert all(side in table for side in sides)


@pytest.mark.parametrize("wrong", [{"gradient": 0.01}, {"loss": 1e-3}, {"gradient": math.nan}])
def test_a_side_that_computes_something_else_stops_it(wrong: dict[str, float]) -> None:
    differences = {"loss": 0.0, "log_probability": 0.0, "gradient": 0.0}
    dpo._check("tree", "rows", differences, "float32")
    with pytest.raises(RuntimeError, match="tree does not compute what rows computes"):
        dpo._check("tree", "rows", {**differences, **wrong}, "float32")


@pytest.mark.bench
def test_trl_trains_on_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELGEN_DATA", raising=False)
    pytest.importorskip("trl")
    out = tmp_path / "dpo.json"
    options = ["--model-shape", "tiny", "--pairs", "2", "--sides", "tree,rows,trl"]
    dpo.main([*options, "--trl", "2p", "--threads", "1", "--json", str(out)])
    side = json.loads(out.read_text(encoding="utf-8"))["K=2"]["trl 2p"]
    assert side["gradient"] < 1e-4
    assert side["log_probability"] < 1e-3


def test_trl_is_a_side_for_each_setting_that_divides_the_pairs() -> None:
    args = dpo._arguments(["--sides", "tree,trl", "--trl", "2,4p"])
    assert dpo._sides(args, 6) == {"tree": [], "trl 2": ["--side", "trl", "--trl", "2"]}


def test_others_may_fail_and_relgen_may_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: list[str], threads: int, until: float | None) -> harness.Row:
        if "broken" in arguments:
            raise RuntimeError("out of memory")
        return {"seconds": 1.0}

    monkeypatch.setattr(harness, "run_side", run)
    sides: dict[str, list[str]] = {"tree": [], "broken": []}
    found = harness.measure("x", sides, [], rounds=1, threads=1, may_fail=["broken"])
    assert found == {"tree": [{"seconds": 1.0}]}
    assert "broken is left out: out of memory" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="out of memory"):
        harness.measure("x", sides, [], rounds=1, threads=1)


@pytest.mark.slow
def test_more_pairs_than_the_corpus_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELGEN_DATA", raising=False)
    with pytest.raises(RuntimeError, match="too many: the largest relation"):
        dpo.main(["--model-shape", "tiny", "--pairs", "900", "--sides", "tree", "--threads", "1"])


def test_log_probabilities_are_compared_one_by_one_or_by_batches() -> None:
    wanted = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    off = wanted + torch.tensor([[0.0, 0.5, -0.5, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert dpo._difference(wanted, wanted) == 0.0
    assert dpo._difference(off, wanted) == 0.5  # the mean of all would not show it
    assert dpo._difference(wanted.view(2, 2, 2).mean(-1), wanted) == 0.0
    assert dpo._difference(off.view(2, 2, 2).mean(-1), wanted) == 0.25
