"""The GPU benchmark runs whole on a small shape; a part that fails does not cost the others."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import gpu

SMALL = ["--shape", "tiny", "--threads", "1"]


@pytest.mark.bench
@pytest.mark.weights
def test_all_parts_on_a_small_shape(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    gpu.main([*SMALL, "--json", str(tmp_path / "gpu.json")])
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert set(content) == {"environment", *gpu.PARTS}
    assert all("error" not in part for part in content.values())
    assert content["generation"]["K=128"]["sampled"][0]["accepted"] > 0


@pytest.mark.weights
def test_a_part_that_fails_is_named_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> gpu.Row:
        raise RuntimeError("out of memory")

    parts = {"first": broken, "second": lambda: {"seconds": 1.0}}
    monkeypatch.setattr(gpu, "PARTS", tuple(parts))
    monkeypatch.setattr(gpu, "_parts", lambda args: parts)
    with pytest.raises(SystemExit, match="not measured: first"):
        gpu.main([*SMALL, "--json", str(tmp_path / "gpu.json")])
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content["first"]["error"] == "RuntimeError: out of memory"
    assert content["second"]["seconds"] == 1.0


def test_what_a_part_had_measured_is_kept() -> None:
    def broken(options: Sequence[str]) -> None:
        Path(options[-1]).write_text('{"K=8": {"tree": 1}}')
        raise RuntimeError("out of memory")

    assert gpu._of(broken, []) == {"K=8": {"tree": 1}, "error": "RuntimeError: out of memory"}


def test_a_side_that_breaks_is_named_and_the_others_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def values(side: str, dtype: str, seed: int, *, exact: bool) -> tuple[Tensor, Tensor]:
        tried.append(side)
        if side == "pairs":
            raise NotImplementedError("no backward pass")
        return torch.ones(4), torch.ones(9)

    monkeypatch.setattr(gpu, "_values", values)
    with pytest.raises(RuntimeError, match=r"pairs in float32 is off.*no backward pass"):
        gpu._correctness(1, ["pairs", "tree"])
    assert tried.count("tree") == 3


def test_no_part_begins_after_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "PARTS", ("late",))
    monkeypatch.setattr(gpu, "_parts", lambda args: {"late": dict})
    with pytest.raises(SystemExit):
        gpu.main([*SMALL, "--minutes", "-1", "--json", str(tmp_path / "gpu.json")])
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content["late"]["error"] == "no time left"


@pytest.mark.slow  # minutes on a CPU that computes bfloat16 without instructions for it
def test_the_small_model_in_all_types_is_that_of_the_rows() -> None:
    found = gpu._correctness(1, ["tree"])
    assert {name.split()[0] for name in found} == {"float32", "bfloat16", "nf4"}
    assert found["float32 tree"]["log_probability"] < 1e-4
    assert found["bfloat16 tree"]["gradient"] < 0.05


@pytest.mark.parametrize("wrong", ["log_probability", "gradient", "nan"])
def test_a_side_that_is_off_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    right = torch.ones(4), torch.ones(9)
    off = {
        "log_probability": (right[0] + 1, right[1]),
        "gradient": (right[0], right[1] * 1.2),
        "nan": (right[0], right[1] * math.nan),
    }

    def values(side: str, dtype: str, seed: int, *, exact: bool) -> tuple[Tensor, Tensor]:
        return off[wrong] if side == "tree" else right

    monkeypatch.setattr(gpu, "_values", values)
    with pytest.raises(RuntimeError, match="tree in float32 is off"):
        gpu._correctness(1, ["tree"])
