"""Results of several initialisations and seeds, against figures worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from relgen.common.files import read_json
from relgen.data.samples import Entity, Sample, write_samples
from relgen.experiments.config import Experiment
from relgen.experiments.planner import plan
from relgen.experiments.results import print_table, write_results
from relgen.experiments.runner import run_experiment
from tests.relgen.experiments.fake_commands import FakeCommands, do, run_options


def test_results_are_means_over_initialisations_and_their_vote(
    experiment: Experiment,
    tmp_path: Path,
    commands: FakeCommands,
    capsys: pytest.CaptureFixture[str],
) -> None:
    samples = [
        Sample(str(i), "Ann saw Bern.", Entity(0, 3), Entity(8, 12), relation)
        for i, relation in enumerate("ab")
    ]
    write_samples(Path(experiment.corpus.test), samples)
    made = plan(replace(experiment, initialisations=3, seeds=(1, 2)), tmp_path / "run")
    run_experiment(
        experiment,
        made,
        tmp_path / "run",
        run_options(only=tuple(stage.kind for stage in made.stages)),
        execute=commands,
    )
    # two of three are right about sample 0 and wrong about sample 1, but much less sure of that
    says = [((0.6, 0.4), (0.6, 0.4)), ((0.6, 0.4), (0.6, 0.4)), ((0.4, 0.6), (0.1, 0.9))]
    for arm in made.arms:
        for number, (each, rows) in enumerate(zip(arm.initialisations, says, strict=True)):
            lines = [
                {
                    "id": str(i),
                    "relation": "ab"[row.index(max(row))],
                    "scores": dict(zip("ab", row, strict=True)),
                }
                for i, row in enumerate(rows)
            ]
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (each.test.folder / "predictions.jsonl").write_text(text, encoding="utf-8")
            gain = 0.1 * arm.seed * (arm.arm != "human")
            scores = dict.fromkeys(("macro_f1", "precision", "recall"), 0.5)
            scores |= {"micro_f1": 0.3 + 0.1 * number + gain, "official_f1": None}
            FakeCommands.json(each.test.folder / "scores.json", scores)
    for arm in made.arms:
        counts = {"a": experiment.shots, "b": experiment.shots - (arm.seed == 2)}
        FakeCommands.json(arm.split.folder / "manifest.json", {"counts": {"train": counts}})
    results = write_results(experiment, made, tmp_path / "run")
    assert results["fewer_shots"] == {"b": 1}
    assert results["tested"] == {"a": 1, "b": 1}
    human = results["arms"][0]
    assert human["micro_f1"] == pytest.approx(0.4)
    assert [each["micro_f1"] for each in human["initialisations"]] == pytest.approx([0.3, 0.4, 0.5])
    assert human["official_f1"] is None
    assert human["ensemble_micro_f1"] == 1.0  # means: (0.53, 0.47) and (0.43, 0.57)
    (against,) = results["against_human"]
    assert (against["arm"], against["n_seeds"]) == ("obo_dpo_mix", 2)
    assert against["mean"] == pytest.approx(0.15)
    # by hand: 0.15 ± 12.7062 * 0.0707 / √2
    assert (against["low"], against["high"]) == pytest.approx((0.15 - 0.6353, 0.15 + 0.6353), 1e-3)
    # all votes are right, on both sides
    assert against["ensemble"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    print_table(results)
    said = capsys.readouterr().out
    assert "K = 2 (b 1), 2 seeds" in " ".join(said.split())
    assert "obo_dpo_mix - human: +15.0 (95% interval of 2 paired seeds: -48.5 to +78.5); " in said
    assert "both as ensembles of their initialisations: +0.0 (+0.0 to +0.0)" in said


def test_one_initialisation_has_no_vote_and_one_seed_no_interval(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    do(commands, experiment, tmp_path / "run")
    results = read_json(tmp_path / "run" / "results.json")
    assert [arm["ensemble_micro_f1"] for arm in results["arms"]] == [None, None]
    (against,) = results["against_human"]
    assert (against["mean"], against["low"], against["high"]) == (0.0, None, None)
    assert against["ensemble"] is None
