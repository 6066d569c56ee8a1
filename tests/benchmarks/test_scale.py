"""`benchmarks.scale`: every operation at two small sizes, its JSON, and the sentences it makes."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import scale
from benchmarks.scale_data import embeddings, held_out_sentences, sentences
from benchmarks.scale_sides import Clock

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.usefixtures("in_process")
def test_all_operations_at_two_sizes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(scale.LIMITS, "near copies by pairs", (50, "quadratic"))
    monkeypatch.setitem(scale.LIMITS, "predict", (50, "slow"))
    scale.main(["--sizes", "50,100", "--json", str(tmp_path / "s.json")])
    content = json.loads((tmp_path / "s.json").read_text())
    assert list(content) == ["environment", "checked", "operations"]
    assert content["checked"]["samples"] == 100
    assert content["checked"]["near copies"] >= 5
    assert content["checked"]["test leaks"] >= 2
    assert [name.partition(",")[0] for name in content["operations"]] == list(scale.OPERATIONS)
    for name, operation in content["operations"].items():
        limited = name.startswith(("near copies by pairs", "predict"))
        assert list(operation["sizes"]) == (["50"] if limited else ["50", "100"])
        for row in operation["sizes"].values():
            assert row["seconds"] > 0
            assert row["peak_mb"] > 10
            assert row["added_mb"] >= 0
    results = {name: of["sizes"]["50"]["result"] for name, of in content["operations"].items()}
    assert results["write JSONL"] == results["read JSONL"] == 50
    assert results["convert"].startswith("50 samples of ")
    assert results["near copies"] == results["near copies by pairs"] >= 2
    assert sum(results["gates, 10 relations"].values()) == 50
    assert results["gates, 10 relations"]["test_leak"] >= 1
    assert results["predict, 10 relations"] == 50
    assert 0 < results["probe, 10 relations"] <= 1
    assert results["report, 10 relations"] > 10
    assert results["distinct-n"] == sorted(results["distinct-n"])
    printed = capsys.readouterr().out
    assert "near copies by pairs above 50 samples is left out (quadratic)" in printed
    assert "self-BLEU: on 5,000 drawn sentences at most" in " ".join(printed.split())


@pytest.mark.slow
@pytest.mark.processes
def test_as_a_module_with_a_process_for_each_measurement(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.scale", "--sizes", "50,100", "--threads", "1"]
    subprocess.run(
        [*command, "--operations", "read JSONL", "--json", str(tmp_path / "s.json")],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=True,
        capture_output=True,
    )
    operations = json.loads((tmp_path / "s.json").read_text())["operations"]
    assert list(operations) == ["read JSONL"]
    assert [row["result"] for row in operations["read JSONL"]["sizes"].values()] == [50, 100]


def test_an_unknown_operation_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        scale.main(["--operations", "write JSONL,fly"])
    assert "no such operation: fly" in capsys.readouterr().err


def test_the_slope_is_that_of_the_logarithms() -> None:
    linear = {10**power: 1e-4 * 10**power for power in (3, 4, 5)}
    assert scale.slope(linear) == pytest.approx(1.0)
    assert scale.slope({size: seconds**2 for size, seconds in linear.items()}) == pytest.approx(2.0)
    assert scale.slope({1_000: 1.0, 4_000: 2.0}) == pytest.approx(0.5)
    # what took no time says nothing
    assert scale.slope({**linear, 10: 0.04}) == pytest.approx(1.0)
    assert scale.slope({1_000: 0.04, 10_000: 0.4}) is None


def test_the_time_of_making_the_input_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def made() -> Any:
        for item in range(3):
            now[0] += 100
            yield item

    def work() -> list[int]:
        found = []
        for item in clock.outside(made()):
            now[0] += 1
            found.append(item)
        return found

    clock = Clock()
    assert clock.timed(work) == (3.0, [0, 1, 2])


def test_sentences_are_a_stream_that_the_seed_fixes() -> None:
    made = list(sentences(100, seed=1))
    assert made == list(itertools.islice(sentences(10**9, seed=1), 100))
    assert made != list(sentences(100, seed=2))
    assert all(10 <= len(sample.text.split()) <= 30 for sample in made)
    assert len({sample.id for sample in made}) == 100
    assert not {s.text for s in made} & {s.text for s in held_out_sentences(seed=1)}


def test_embeddings_are_unit_vectors() -> None:
    vectors = embeddings(20, seed=1)
    assert tuple(vectors.shape) == (20, 384)
    assert vectors.norm(dim=-1).tolist() == pytest.approx([1.0] * 20, abs=1e-5)
