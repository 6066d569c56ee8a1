"""Kernels are left out one at a time, and compared with all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks import harness, kernels


def test_each_kernel_of_a_part_is_left_out_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    switches: list[str] = []

    def run(
        arguments: list[str],
        threads: int,
        until: float | None,
        *,
        environment: Mapping[str, str],
    ) -> harness.Row:
        assert arguments[:5] == ["benchmarks.dpo", "--side", "tree", "--pairs", "8"]
        assert threads == 1
        switches.append(environment["RELGEN_KERNELS"])
        return {"seconds": 3.0 if switches[-1] == "-norms" else 2.0, "peak_mb": 100.0}

    monkeypatch.setattr(harness, "run_side", run)
    out = tmp_path / "kernels.json"
    chosen = ["--only", "dpo-8", "--kernels", "norms,head", "--rounds", "2"]
    kernels.main([*chosen, "--json", str(out)])
    assert switches == ["", "-head", "-norms", "-norms", "-head", ""]
    content = json.loads(out.read_text(encoding="utf-8"))["dpo-8"]
    assert {name: row["× time"] for name, row in content.items()} == {
        "all": 1.0,
        "head": 1.0,
        "norms": 1.5,
    }
    assert "norms" in capsys.readouterr().out
