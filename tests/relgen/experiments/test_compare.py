"""Paired differences between arms."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from relgen.experiments.compare import compared
from relgen.experiments.config import Experiment
from relgen.experiments.results import write_results
from tests.relgen.experiments.fake_commands import FakeCommands, do


def test_differences_are_bootstrapped_and_stand_against_no_dpo_too(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    arms = ("human", "obo_mix", "obo_dpo_mix")
    out = tmp_path / "run"
    made = do(commands, replace(experiment, arms=arms, seeds=(1, 2)), out)
    # the tuned arm is right about both sentences, the others about the first
    for arm in made.arms:
        if arm.arm == "obo_dpo_mix":
            file = arm.initialisations[0].test.folder / "predictions.jsonl"
            rows = [{"id": f"test.jsonl-{i}", "relation": "ab"[i]} for i in range(2)]
            file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    results = write_results(replace(experiment, arms=arms, seeds=(1, 2)), made, out)
    assert [row["arm"] for row in results["against_human"]] == ["obo_mix", "obo_dpo_mix"]
    assert results["against_human"][0]["bootstrap"] == {"low": 0.0, "high": 0.0}
    (row,) = results["against_no_dpo"]
    assert (row["arm"], row["than"], row["seeds"]) == ("obo_dpo_mix", "obo_mix", [1, 2])
    # two sentences drawn of two: the second one never, once or twice
    assert row["bootstrap"] == {"low": 0.0, "high": 1.0}


def test_direct_is_compared_with_human_in_every_classifier() -> None:
    rows = [
        {"arm": arm, "classifier": classifier, "seed": seed, "micro_f1": score + seed / 100}
        for arm, classifier, score in (
            ("human", "a", 0.5),
            ("human", "b", 0.6),
            ("direct", "direct", 0.2),
            ("obo_mix", "a", 0.55),
        )
        for seed in (1, 2)
    ]
    found = compared(
        [{**row, "ensemble_micro_f1": None} for row in rows],
        lambda name: None if name == "human" else "human",
    )
    means = {(row["arm"], row["classifier"]): round(row["mean"], 6) for row in found}
    assert means == {("direct", "a"): -0.3, ("direct", "b"): -0.4, ("obo_mix", "a"): 0.05}
