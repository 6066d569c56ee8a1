"""What the runner keeps, what it runs again, and what interruptions leave."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from relgen.common.errors import InputError, Terminated
from relgen.common.files import read_json
from relgen.experiments import runner
from relgen.experiments.config import Experiment
from relgen.experiments.planner import plan
from relgen.experiments.run_folders import is_done
from relgen.experiments.runner import run_experiment
from tests.relgen.experiments.fake_commands import FakeCommands, do, run_options


def test_a_run_makes_results_and_a_second_one_does_nothing(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    do(commands, experiment, out)
    results = read_json(out / "results.json")
    assert [arm["arm"] for arm in results["arms"]] == ["human", "obo_dpo_mix"]
    assert results["arms"][1]["generation"]["rejected"] == {"no_head": 4}
    assert results["arms"][0]["labelling"] is None
    labelling = {"samples": 2, "agreed": 1, "train_micro_f1": 0.5, "relations": {}}
    labelling |= {"uncertain": 0, "left_out": {"not_drawn": 3}, "read_as": {}}
    assert results["arms"][1]["labelling"] == labelling
    assert results["summary"][0]["n_seeds"] == 1
    assert (out / results["arms"][0]["predictions"]).is_file()
    before = len(commands.ran)
    do(commands, experiment, out)
    assert commands.ran[before:] == ["report " + str(out)]


@pytest.mark.parametrize("step", [0, 2, 6, 11, 13])
def test_interrupted_anywhere_it_ends_the_same(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands, step: int
) -> None:
    do(commands, experiment, tmp_path / "whole")
    commands.ran.clear()
    commands.fail_at = step
    out = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        do(commands, experiment, out)
    assert not (out / "results.json").exists()
    do(commands, experiment, out)
    assert read_json(out / "results.json") == read_json(tmp_path / "whole" / "results.json")


def test_what_a_killed_command_left_is_not_taken_for_whole(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    made = plan(experiment, out)
    split = made.stages[0]
    split.folder.mkdir(parents=True)
    (split.folder / "train.jsonl").write_text("torn", encoding="utf-8")
    (out / "experiment.json").write_text(
        json.dumps({"name": "mine", "identity": experiment.identity()}), encoding="utf-8"
    )
    run_experiment(experiment, made, out, run_options(), execute=commands)
    assert "torn" not in (split.folder / "train.jsonl").read_text(encoding="utf-8")


def test_an_edited_input_runs_what_depends_on_it_again(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    made = do(commands, experiment, out)
    split = made.stages[0].folder / "train.jsonl"
    split.write_text("edited by hand\n", encoding="utf-8")
    stale = {stage.name for stage in made.stages if not is_done(stage)}
    assert "seed1/chains-a" in stale
    assert "seed1/train-human" in stale
    assert "seed1/split" not in stale


@pytest.mark.parametrize(("then", "goes_on"), [("float32", True), ("bfloat16", False)])
def test_what_was_begun_in_another_dtype_starts_again(
    experiment: Experiment,
    tmp_path: Path,
    commands: FakeCommands,
    monkeypatch: pytest.MonkeyPatch,
    then: str,
    goes_on: bool,
) -> None:
    auto = replace(experiment, dtype="auto")
    monkeypatch.setattr(runner, "fast_dtype", lambda: "float32")
    made = plan(auto, tmp_path / "run")
    tuning = next(stage for stage in made.stages if stage.kind == "dpo")
    commands.fail_at = made.stages.index(tuning)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(auto, made, tmp_path / "run", run_options(), execute=commands)
    (tuning.folder / "half-done").touch()
    monkeypatch.setattr(runner, "fast_dtype", lambda: then)
    run_experiment(auto, made, tmp_path / "run", run_options(), execute=commands)
    assert (tuning.folder / "half-done").exists() is goes_on
    # what is done stays done, wherever it was done
    assert all(is_done(stage) for stage in made.stages)


def test_a_run_can_be_moved(experiment: Experiment, tmp_path: Path, commands: FakeCommands) -> None:
    do(commands, experiment, tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert all(is_done(stage) for stage in plan(experiment, tmp_path / "there").stages)


def test_only_and_force(experiment: Experiment, tmp_path: Path, commands: FakeCommands) -> None:
    out = tmp_path / "run"
    do(commands, experiment, out, only=["split"])
    assert commands.ran == ["data split"]
    with pytest.raises(InputError, match=r"seed1/dpo-a needs this.*without --only"):
        do(commands, experiment, out, only=["seed1/dpo-a"])
    do(commands, experiment, out)
    commands.ran.clear()
    do(commands, experiment, out, force=["seed1/split"])
    # the split came out as before, so that nothing else runs again
    assert commands.ran == ["data split", "report " + str(out)]
    with pytest.raises(InputError, match="no such stage"):
        do(commands, experiment, out, only=["trian"])


def test_an_unfinished_stage_does_not_go_on_with_other_inputs(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    commands.fail_at = 2  # in dpo-a: split and chains-a are done
    with pytest.raises(KeyboardInterrupt):
        do(commands, experiment, out)
    stages = {stage.name: stage for stage in plan(experiment, out).stages}
    left = stages["seed1/dpo-a"].folder / "left-by-the-kill"
    left.write_text("x", encoding="utf-8")
    commands.fail_at = 2
    with pytest.raises(KeyboardInterrupt):
        do(commands, experiment, out)
    assert left.exists()
    chains = stages["seed1/chains-a"].folder / "chains.jsonl"
    chains.write_text("edited by hand\n", encoding="utf-8")
    do(commands, experiment, out)
    assert not left.exists()


def test_a_stage_that_leaves_early_is_not_done(experiment: Experiment, tmp_path: Path) -> None:
    def terminated(command: Sequence[str]) -> None:
        raise Terminated

    with pytest.raises(Terminated):
        do(terminated, experiment, tmp_path / "run")

    def left(command: Sequence[str]) -> None:
        raise SystemExit

    with pytest.raises(InputError, match="stage seed1/split failed"):
        do(left, experiment, tmp_path / "run")
    assert not plan(experiment, tmp_path / "run").stages[0].record.exists()


def test_force_leaves_alone_what_is_not_run(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    made = do(commands, experiment, out)
    do(commands, experiment, out, only=["split"], force=["dpo"])
    assert all(is_done(stage) for stage in made.stages)


def test_no_report_of_an_unfinished_run(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    with pytest.raises(InputError, match="there is no report yet"):
        do(commands, experiment, tmp_path / "run", only=["report"])


def test_weights_that_nothing_reads_any_more_are_discarded(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    presets = ("classifier/knowprompt", "classifier/retrieval")
    lean = replace(experiment, classifiers=presets, keep_weights=False)
    out = tmp_path / "run"
    stages = {stage.name: stage for stage in plan(lean, out).stages}
    first = stages["seed1/train-human-knowprompt"]
    weights = [first.folder / "checkpoints/last.ckpt", first.folder / "model/model.safetensors"]
    # its test has run, and RetrievalRE still has to read them
    do(commands, lean, out, only=["split", first.name, "seed1/test-human-knowprompt"])
    assert all(path.is_file() for path in weights)
    made = do(commands, lean, out)
    trained = [stage.folder for stage in made.stages if stage.kind == "train"]
    left = [path.name for folder in trained for path in folder.rglob("*") if path.is_file()]
    assert "scores.json" in left
    assert not {"last.ckpt", "model.safetensors"} & set(left)
    assert (made.stages[0].folder / "checkpoints").is_dir()
    assert all(is_done(stage) for stage in made.stages)

    commands.ran.clear()
    do(commands, lean, out)
    assert commands.ran == ["report " + str(out)]
    # a stage that reads them again says which training to repeat
    again = {"force": ["seed1/test-human-retrieval"]}
    with pytest.raises(InputError, match=r"keep_weights.*--force seed1/train-human-retrieval"):
        do(commands, lean, out, **again)
    with pytest.raises(InputError, match=r"keep_weights.*--force seed1/train-human-knowprompt"):
        do(commands, lean, out, force=["seed1/train-human-retrieval"])
    commands.ran.clear()
    do(commands, lean, out, force=[first.name])
    assert commands.ran[:-1] == ["classifier fit", "classifier fit", "classifier test"]
    assert not any(path.is_file() for path in weights)
    assert all(is_done(stage) for stage in made.stages)


def test_weights_that_another_plan_reads_are_kept(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    both = ("classifier/knowprompt", "classifier/retrieval")
    out = tmp_path / "run"
    lean = replace(experiment, arms=("human",), keep_weights=False, classifiers=both[:1])
    # cells of a grid name their stages alike
    first, second = (
        plan(replace(lean, classifiers=classifiers), out, cell="x")
        for classifiers in (both[:1], both)
    )
    options = {"execute": commands, "readers": [*first.stages, *second.stages]}
    run_experiment(lean, first, out, run_options(), **options)
    weights = first.stages[-2].folder / "model/model.safetensors"
    assert weights.is_file()
    run_experiment(replace(lean, classifiers=both), second, out, run_options(), **options)
    assert not weights.exists()


def test_weights_are_kept_by_default(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    made = do(commands, experiment, tmp_path / "run")
    trained = [stage.folder for stage in made.stages if stage.kind == "train"]
    assert all((folder / "checkpoints/last.ckpt").is_file() for folder in trained)


def test_seeds_are_run_apart_and_joined_by_a_whole_run(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    two, out = replace(experiment, seeds=(1, 2)), tmp_path / "run"
    made = do(commands, two, out, seed=(2,))
    assert {stage.name for stage in made.stages if is_done(stage)} == {
        stage.name for stage in made.stages if stage.name.startswith("seed2/")
    }
    assert not (out / "results.json").exists()
    # while a whole run has the folder, seeds may be run beside it
    with FileLock(out / ".relgen.lock"):
        do(commands, two, out, seed=(1,))
    before = len(commands.ran)
    do(commands, two, out)
    assert commands.ran[before:] == ["report " + str(out)]


def test_a_stage_that_another_process_has_is_waited_for(
    experiment: Experiment,
    tmp_path: Path,
    commands: FakeCommands,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    made = do(commands, experiment, out, only=("split",))
    split = made.stages[0]
    split.record.unlink()
    other = FileLock(split.folder.parent / f".{split.folder.name}.lock")
    other.acquire()

    def does_it_meanwhile(seconds: float) -> None:
        runner._run_stage(split, made, commands)
        other.release()

    monkeypatch.setattr(time, "sleep", does_it_meanwhile)
    run_experiment(experiment, made, out, run_options(seed=(1,)), execute=commands)
    assert commands.ran.count("data split") == 2  # once at first, once by the other
    assert capsys.readouterr().err.count("waiting for the process that runs seed1/split") == 1
