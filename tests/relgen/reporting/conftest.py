"""Two runs to compare, of K = 8 and K = 16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relgen.common.files import read_json, write_json
from relgen.reporting.data import Run, load_run
from tests.relgen.reporting.fake_run import make_run

ARMS = ("human", "obo_mix", "obo_dpo_mix", "obo_dpo_mix@4", "obo_dpo_window_mix", "xu2023")
MICRO = dict(zip(ARMS, (0.5, 0.55, 0.6, 0.58, 0.52, 0.45), strict=True))


def row(arm: str, than: str, low: float, high: float) -> dict[str, Any]:
    return {
        "arm": arm,
        "than": than,
        "classifier": "entity_marker",
        "n_seeds": 2,
        "mean": (low + high) / 2,
        # Student's interval is a point wider on both sides
        "low": low - 0.01,
        "high": high + 0.01,
        "bootstrap": {"low": low, "high": high},
    }


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Run]:
    made = {}
    for shots, shift in ((8, 0.0), (16, -0.1)):
        folder = make_run(tmp_path / f"k{shots}", arms=ARMS, micro=MICRO)
        results = read_json(folder / "results.json")
        results |= {
            "shots": shots,
            "against_human": [row("obo_dpo_mix", "human", 0.02 + shift, 0.08 + shift)],
            "against_no_dpo": [row("obo_dpo_mix", "obo_mix", -0.01, 0.05)],
            "against_method": [
                row("obo_dpo_window_mix", "obo_dpo_mix", -0.09, -0.02),
                row("xu2023", "obo_dpo_mix", -0.2, -0.1),
            ],
        }
        write_json(folder / "results.json", results)
        made[f"semeval-k{shots}"] = load_run(folder)
    return made
