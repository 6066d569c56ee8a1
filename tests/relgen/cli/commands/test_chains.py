"""`relgen chains`: what it prints, and the shares of the kinds of rejections."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.cli.main import main
from relgen.data.samples import write_samples
from relgen.dpo.preference_pairs import read_chains
from tests import tiny

SCHEMA = """
name: tiny
relations:
  cause: {explanation: The head brings about the tail.}
  part: {explanation: The head is a part of the tail.}
"""


@pytest.fixture
def line(tmp_path: Path) -> list[str]:
    (tmp_path / "s.yaml").write_text(SCHEMA)
    words = [("rain", "flood"), ("wheel", "cart"), ("spark", "fire"), ("lid", "box")]
    samples = [
        tiny.sample(f"{relation}{i}", head, f"is {relation} {i} of", tail, relation)
        for relation in ("cause", "part")
        for i, (head, tail) in enumerate(words)
    ]
    write_samples(tmp_path / "train.jsonl", samples)
    files = (str(tmp_path / "train.jsonl"), "--schema", str(tmp_path / "s.yaml"))
    return ["chains", *files, "--out", str(tmp_path / "chains.jsonl")]


def test_it_prints_how_many_pairs_of_each_kind_it_wrote(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chains.jsonl"
    assert main(line) == 0
    assert capsys.readouterr().out == (
        f"2 chains, 6 pairs (2 wrong_label, 2 near_copy, 2 exact_copy) -> {out}\n"
    )
    assert [len(chain.pairs) for chain in read_chains(out)] == [3, 3]
    assert main([*line, "--chains-per-relation", "2", "--force"]) == 0
    assert capsys.readouterr().out.startswith("4 chains, 12 pairs ")


def test_a_kind_without_a_share_is_left_out(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*line, "--shares", "near_copy=1", "--shares", "exact_copy=1"]) == 0
    assert "(0 wrong_label, 3 near_copy, 3 exact_copy)" in capsys.readouterr().out
