"""Stages and their runner: what is kept, what is run again, and what interruptions leave."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from relgen.common.errors import InputError
from relgen.common.files import read_json, try_lock
from relgen.common.presets import find_config
from relgen.data.samples import Entity, Sample, write_samples
from relgen.experiments import runner
from relgen.experiments.compare import against_human
from relgen.experiments.config import CorpusFiles, Experiment, Labelling
from relgen.experiments.planner import plan
from relgen.experiments.plans import Plan
from relgen.experiments.results import print_table, write_results
from relgen.experiments.runner import Execute, is_done, print_plan, run_experiment
from relgen.experiments.stage_classifiers import trained_alike


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusFiles:
    for name in ("train.jsonl", "test.jsonl"):
        samples = [
            Sample(f"{name}-{i}", "Ann saw Bern.", Entity(0, 3), Entity(8, 12), relation)
            for i, relation in enumerate("ab")
        ]
        write_samples(tmp_path / name, samples)
    schema = tmp_path / "mine.yaml"
    schema.write_text(
        "name: mine\nnegative: null\nrelations:\n  a: {explanation: x}\n  b: {explanation: y}\n",
        encoding="utf-8",
    )
    return CorpusFiles(str(tmp_path / "train.jsonl"), str(tmp_path / "test.jsonl"), str(schema))


@pytest.fixture
def experiment(corpus: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    preset = tmp_path / "preset.yaml"
    preset.write_text("x: 1\n", encoding="utf-8")
    monkeypatch.setattr("relgen.experiments.planner.find_config", lambda name, folder="": preset)
    return Experiment(name="mine", corpus=corpus, shots=2, arms=("human", "obo_dpo_mix"))


class FakeCommands:
    """Executes command lines by writing what the real commands would, deterministically."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.fail_at: int | None = None

    def __call__(self, command: Sequence[str]) -> None:
        if self.fail_at == len(self.ran):
            self.fail_at = None
            raise KeyboardInterrupt
        self.ran.append(" ".join(command[:2]))
        if command[0] == "report":
            return
        target = Path(command[command.index("--out") + 1])
        inputs = sorted(w for w in command if w.endswith(".jsonl") and Path(w).is_file())
        content = "".join(Path(word).read_text(encoding="utf-8") for word in inputs)
        line = json.dumps({"command": command[0], "read": len(content)}) + "\n"
        folder = target.parent if target.suffix else target
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("train.jsonl", "chains.jsonl", "generated.jsonl", "labelled.jsonl"):
            (folder / name).write_text(line, encoding="utf-8")
        said = [{"id": f"test.jsonl-{i}", "relation": "a"} for i in range(2)]
        text = "".join(json.dumps({**row, "scores": {"a": 1, "b": 0}}) + "\n" for row in said)
        (folder / "predictions.jsonl").write_text(text, encoding="utf-8")
        for name in ("adapter/x", "checkpoints/last.ckpt", "model/model.safetensors"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(line, encoding="utf-8")
        scores = dict.fromkeys(("micro_f1", "macro_f1", "precision", "recall"), 0.5)
        self.json(folder / "scores.json", {**scores, "official_f1": None})
        names = ("cosine", "cosine_masked", "distinct_2", "self_bleu", "vendi", "word_repetition")
        self.json(folder / "diversity.json", {"overall": dict.fromkeys(names, 0.1)})
        generated = {"accepted": 1, "rejected": {"no_head": 2}, "seconds": 1.0, "tokens": 9}
        self.json(folder / "generation.json", generated)
        summary = {"samples": 2, "agreed": 1, "train_micro_f1": 0.5, "hash": "x", "relations": {}}
        self.json(folder / "labelled.json", summary)

    @staticmethod
    def json(path: Path, value: Any) -> None:
        path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCommands]:
    fake = FakeCommands()
    # there are no models to be freed, and looking through all of a test suite's objects takes long
    monkeypatch.setattr(runner.gc, "collect", lambda: 0)
    return fake


def do(execute: Execute, experiment: Experiment, out: Path, **options: Any) -> Plan:
    made = plan(experiment, out)
    run_experiment(experiment, made, out, execute=execute, **options)
    return made


def test_the_plan_in_order(experiment: Experiment, tmp_path: Path) -> None:
    names = [stage.name for stage in plan(experiment, tmp_path / "run").stages]
    assert names == [
        "seed1/split",
        "seed1/chains-a",
        "seed1/dpo-a",
        "seed1/chains-b",
        "seed1/dpo-b",
        "seed1/diversity-human",
        "seed1/generate-obo_dpo-a",
        "seed1/generate-obo_dpo-b",
        "seed1/label-obo_dpo",
        "seed1/collect-obo_dpo",
        "seed1/diversity-obo_dpo",
        "seed1/train-human",
        "seed1/test-human",
        "seed1/train-obo_dpo_mix",
        "seed1/test-obo_dpo_mix",
    ]


def test_without_labelling_the_generator_is_believed(
    experiment: Experiment, tmp_path: Path
) -> None:
    stages = plan(replace(experiment, label=None), tmp_path / "run").stages
    collect = next(stage for stage in stages if stage.kind == "collect")
    assert not [stage for stage in stages if stage.kind == "label"]
    assert [path.name for path in collect.inputs[:2]] == ["generated.jsonl", "generated.jsonl"]


def test_each_half_is_written_by_the_others_adapter(experiment: Experiment, tmp_path: Path) -> None:
    stages = {stage.name: stage for stage in plan(experiment, tmp_path / "run").stages}
    command = stages["seed1/generate-obo_dpo-a"].command
    assert command[command.index("--half") + 1] == "a"
    assert command[command.index("--adapter") + 1] == str(stages["seed1/dpo-b"].folder / "adapter")


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
        json.dumps({"experiment": "mine", "identity": experiment.identity()}), encoding="utf-8"
    )
    run_experiment(experiment, made, out, execute=commands)
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
        run_experiment(auto, made, tmp_path / "run", execute=commands)
    (tuning.folder / "half-done").touch()
    monkeypatch.setattr(runner, "fast_dtype", lambda: then)
    run_experiment(auto, made, tmp_path / "run", execute=commands)
    assert (tuning.folder / "half-done").exists() is goes_on
    # what is done stays done, wherever it was done
    assert all(is_done(stage) for stage in made.stages)


def test_a_changed_corpus_file_gets_new_folders(
    experiment: Experiment, corpus: CorpusFiles, tmp_path: Path
) -> None:
    before = plan(experiment, tmp_path / "run").stages[0].folder
    Path(corpus.train).write_text("other", encoding="utf-8")
    assert plan(experiment, tmp_path / "run").stages[0].folder != before


def test_a_run_can_be_moved(experiment: Experiment, tmp_path: Path, commands: FakeCommands) -> None:
    do(commands, experiment, tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert all(is_done(stage) for stage in plan(experiment, tmp_path / "there").stages)


def test_only_and_force(experiment: Experiment, tmp_path: Path, commands: FakeCommands) -> None:
    out = tmp_path / "run"
    do(commands, experiment, out, only=["split"])
    assert commands.ran == ["data split"]
    with pytest.raises(InputError, match=r"seed1/dpo-a needs this.*leave --only out"):
        do(commands, experiment, out, only=["seed1/dpo-a"])
    do(commands, experiment, out)
    commands.ran.clear()
    do(commands, experiment, out, force=["seed1/split"])
    # the split came out as before, so that nothing else runs again
    assert commands.ran == ["data split", "report " + str(out)]
    with pytest.raises(InputError, match="no such stage"):
        do(commands, experiment, out, only=["trian"])


def test_dry_run_prints_what_a_person_could_type(
    experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    print_plan(plan(experiment, out), out)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# seed1/split (to do)"
    assert lines[1].startswith("relgen data split ")
    assert lines[-1] == f"relgen report {out}"
    assert not out.exists()


def test_folders_of_others_are_refused(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    do(commands, experiment, out)
    other = Experiment(name="other", corpus=experiment.corpus)
    with pytest.raises(InputError, match=r"belongs to another experiment \(got 'mine'\)"):
        do(commands, other, out)
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="not empty"):
        do(commands, experiment, full)
    assert (full / "thesis.tex").exists()


def test_two_runs_in_one_folder_are_refused(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    import fcntl

    out = tmp_path / "run"
    do(commands, experiment, out)
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another relgen run is at work"):
            do(commands, experiment, out)


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
        raise SystemExit(143)

    with pytest.raises(SystemExit) as caught:
        do(terminated, experiment, tmp_path / "run")
    assert caught.value.code == 143

    def left(command: Sequence[str]) -> None:
        raise SystemExit

    with pytest.raises(InputError, match="stage seed1/split failed"):
        do(left, experiment, tmp_path / "run")
    assert not plan(experiment, tmp_path / "run").stages[0].record.exists()


def test_a_folder_marked_half_way_is_still_ours(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / ".experiment.json.abc.tmp").write_text("{", encoding="utf-8")
    (out / ".lock").touch()
    do(commands, experiment, out)
    assert (out / "results.json").is_file()


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
    with pytest.raises(InputError, match="no report yet"):
        do(commands, experiment, tmp_path / "run", only=["report"])


def test_a_users_corpus_keeps_its_name_and_licence(
    corpus: CorpusFiles, experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    schema = Path(corpus.schema).rename(tmp_path / "semeval.yaml")
    own = Experiment(
        name="mine",
        corpus=CorpusFiles(corpus.train, corpus.test, str(schema)),
        arms=("obo_mix",),
        license="proprietary",
    )
    made = do(commands, own, tmp_path / "run")
    collect = next(stage for stage in made.stages if stage.kind == "collect")
    assert collect.command[collect.command.index("--license") + 1] == "proprietary"
    assert read_json(tmp_path / "run" / "results.json")["corpus"] == "mine"


def test_a_seed_reaches_everything_that_is_drawn(experiment: Experiment, tmp_path: Path) -> None:
    stages = {stage.name: stage for stage in plan(experiment, tmp_path / "run").stages}
    tuned, trained = stages["seed1/dpo-a"].command, stages["seed1/train-human"].command
    for option in ("--seed_everything", "--data.seed", "--model.lora_seed"):
        assert tuned[tuned.index(option) + 1] == "1"
    for option in ("--seed_everything", "--data.seed"):
        assert trained[trained.index(option) + 1] == "1"


def test_a_token_budget_and_chains_hold_for_all_generated_arms(
    experiment: Experiment, tmp_path: Path
) -> None:
    budget = replace(experiment, generator=replace(experiment.generator, token_budget=700))
    stages = [s for s in plan(budget, tmp_path / "run").stages if s.kind == "generate"]
    assert stages
    for stage in stages:
        assert stage.command[stage.command.index("--token-budget") + 1] == "700"
        assert "--chains" not in stage.command
    many = replace(experiment, generator=replace(experiment.generator, chains=24))
    for stage in (s for s in plan(many, tmp_path / "run").stages if s.kind == "generate"):
        assert stage.command[stage.command.index("--chains") + 1] == "24"


def test_epochs_and_steps_reach_the_trainers(experiment: Experiment, tmp_path: Path) -> None:
    cut = plan(replace(experiment, dpo_epochs=1, classifier_steps=30), tmp_path / "run").stages
    whole = plan(experiment, tmp_path / "run").stages
    for stage, untouched in zip(cut, whole, strict=True):
        extra = [word for word in stage.command if word not in untouched.command]
        expected = {
            "dpo": ["--trainer.max_epochs"],
            "train": ["--trainer.max_steps", "30"],
        }
        options = [word for word in extra if "/" not in word]
        assert options == expected.get(stage.kind, []), stage.name
        if stage.kind == "dpo":
            assert stage.command[stage.command.index("--trainer.max_epochs") + 1] == "1"


def test_an_order_reaches_the_trainings_of_mixes_alone(
    experiment: Experiment, tmp_path: Path
) -> None:
    ordered = plan(replace(experiment, order="together"), tmp_path / "run").stages
    whole = plan(experiment, tmp_path / "run").stages
    mixes = 0
    for stage, untouched in zip(ordered, whole, strict=True):
        own = [word for word in stage.command if "/" not in word]
        expected = [word for word in untouched.command if "/" not in word]
        if stage.kind == "train" and "mix" in stage.command:
            mixes += 1
            place = own.index("--data.order")
            assert own.pop(place + 1) == "together"
            own.pop(place)
        assert own == expected, stage.name
    assert mixes


def test_retrieval_takes_the_knowprompt_that_is_trained_anyway(
    experiment: Experiment, tmp_path: Path
) -> None:
    presets = ("classifier/retrieval", "classifier/knowprompt", "classifier/entity_marker")
    steps = replace(experiment, classifiers=presets, classifier_steps=30, initialisations=2)
    stages = list(plan(steps, tmp_path / "run").stages)
    trained = {stage.name: stage for stage in stages if stage.kind == "train"}
    pairs = 0
    for name, stage in trained.items():
        words = stage.command
        steps_given = words[words.index("--trainer.max_steps") + 1]
        if "-retrieval" not in name:
            assert (steps_given, "--model.classifier.trained" in words) == ("30", False)
            continue
        pairs += 1
        first = trained[name.replace("-retrieval", "-knowprompt")]
        assert words[words.index("--model.classifier.trained") + 1] == f"{first.folder}/model"
        assert steps_given == "0"
        assert stages.index(first) < stages.index(stage)
        assert first.folder / "model" / "model.safetensors" in stage.inputs
        seed = words.index("--seed_everything") + 1
        assert words[seed] == first.command[first.command.index("--seed_everything") + 1]
    assert pairs == 2 * len(experiment.parsed_arms) * len(experiment.seeds)
    alone = plan(replace(experiment, classifiers=presets[::2]), tmp_path / "run").stages
    assert not any("--model.classifier.trained" in stage.command for stage in alone)


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
    assert set(left) >= {"last.ckpt.sha256", "model.safetensors.sha256", "scores.json"}
    assert not {"last.ckpt", "model.safetensors"} & set(left)
    assert (made.stages[0].folder / "checkpoints").is_dir()
    assert all(is_done(stage) for stage in made.stages)

    commands.ran.clear()
    do(commands, lean, out)
    assert commands.ran == ["report " + str(out)]
    # what reads them again has them made again, one after the other
    commands.ran.clear()
    do(commands, lean, out, force=["seed1/test-human-retrieval"])
    assert commands.ran[:-1] == ["classifier fit", "classifier fit", "classifier test"]
    assert not any(path.is_file() for path in weights)
    assert all(is_done(stage) for stage in made.stages)


def test_weights_are_kept_by_default(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    made = do(commands, experiment, tmp_path / "run")
    trained = [stage.folder for stage in made.stages if stage.kind == "train"]
    assert all((folder / "checkpoints/last.ckpt").is_file() for folder in trained)


def test_only_presets_that_train_alike_share_a_training(tmp_path: Path) -> None:
    content = yaml.safe_load(find_config("classifier/knowprompt").read_text())
    content["trainer"]["max_steps"] += 1
    longer = tmp_path / "longer.yaml"
    longer.write_text(yaml.safe_dump(content))
    retrieval, knowprompt = "classifier/retrieval", "classifier/knowprompt"
    assert trained_alike(retrieval, [str(longer), knowprompt]) == knowprompt
    assert trained_alike(retrieval, [str(longer), retrieval]) is None
    assert trained_alike(knowprompt, [knowprompt]) is None


def test_initialisations_differ_in_their_seeds_and_share_their_data(
    experiment: Experiment, tmp_path: Path
) -> None:
    one = {stage.name: stage for stage in plan(experiment, tmp_path / "run").stages}
    three = plan(replace(experiment, initialisations=3), tmp_path / "run")
    stages = {stage.name: stage for stage in three.stages}
    assert one.items() <= stages.items()  # asked for later, the work of the first one is kept
    extra = {"train-human-2", "test-human-2", "train-human-3", "test-human-3"}
    mix = {name.replace("human", "obo_dpo_mix") for name in extra}
    assert stages.keys() - one.keys() == {f"seed1/{name}" for name in extra | mix}
    for arm in three.arms:
        assert [each.seed for each in arm.initialisations] == [1, 1001, 2001]
        for each in arm.initialisations:
            for command in (each.train.command, each.test.command):
                for option in ("--seed_everything", "--data.seed"):
                    assert command[command.index(option) + 1] == str(each.seed)
        assert len({each.train.inputs for each in arm.initialisations}) == 1


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
        execute=commands,
        only={stage.kind for stage in made.stages},
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
    results = write_results(experiment, made, tmp_path / "run")
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


def test_a_dtype_holds_for_every_model(experiment: Experiment, tmp_path: Path) -> None:
    rounded = plan(replace(experiment, dtype="bfloat16"), tmp_path / "run").stages
    expected = {
        "dpo": ("--model.dtype", "bfloat16"),
        "generate": ("--dtype", "bfloat16"),
        "label": ("--dtype", "bfloat16"),
        "train": ("--trainer.precision", "bf16-mixed"),
        "test": ("--trainer.precision", "bf16-mixed"),
    }
    for stage in rounded:
        if stage.kind in expected:
            option, value = expected[stage.kind]
            assert stage.command[stage.command.index(option) + 1] == value
    assert {stage.kind for stage in rounded} >= expected.keys()
    for stage in plan(experiment, tmp_path / "run").stages:
        assert "--trainer.precision" not in stage.command
        assert "--model.dtype" not in stage.command


def test_a_plan_is_the_same_on_a_login_node_and_on_a_gpu_node(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = replace(experiment, dtype="auto", arms=(*experiment.arms, "direct"))
    plans = []
    for fast in ("float32", "bfloat16"):
        monkeypatch.setattr("relgen.common.device.fast_dtype", lambda fast=fast: fast)
        plans.append(plan(auto, tmp_path / "run").stages)
    assert plans[0] == plans[1]
    options = {
        "dpo": "--model.dtype",
        "generate": "--dtype",
        "label": "--dtype",
        "direct": "--dtype",
        "train": "--trainer.precision",
        "test": "--trainer.precision",
    }
    for stage in plans[0]:
        if stage.kind in options:
            assert stage.command[stage.command.index(options[stage.kind]) + 1] == "auto"
    assert {stage.kind for stage in plans[0]} >= options.keys()


def test_only_certain_labels_are_trained_on_where_asked_for(
    experiment: Experiment, tmp_path: Path
) -> None:
    certain = replace(experiment, label=Labelling(least_certainty=0.4))
    for made, expected in ((certain, ["0.4"]), (experiment, [])):
        (stage,) = [s for s in plan(made, tmp_path / "run").stages if s.kind == "label"]
        values = [
            b
            for a, b in zip(stage.command, stage.command[1:], strict=False)
            if a == "--least-certainty"
        ]
        assert values == expected


def test_another_model_in_the_same_folder_reads_again(
    experiment: Experiment, tmp_path: Path
) -> None:
    reader = tmp_path / "reader"
    reader.mkdir()
    (reader / "weights").write_text("first", encoding="utf-8")
    own = replace(experiment, label=Labelling(model=str(reader)))

    def folders() -> dict[str, Path]:
        return {stage.kind: stage.folder for stage in plan(own, tmp_path / "run").stages}

    before = folders()
    (reader / "weights").write_text("the second", encoding="utf-8")
    after = folders()
    assert before["label"] != after["label"]
    assert before["generate"] == after["generate"]


def test_ablations_differ_in_one_option(experiment: Experiment, tmp_path: Path) -> None:
    arms = ("obo_dpo_mix", "obo_dpo_plain_mix", "obo_dpo_window_mix", "obo_dpo_no_near_copy_mix")
    made = plan(replace(experiment, arms=arms), tmp_path / "run")
    stages = {stage.name.removeprefix("seed1/"): stage for stage in made.stages}

    def option(name: str, key: str) -> str | None:
        command = stages[name].command
        return command[command.index(key) + 1] if key in command else None

    assert option("chains-a", "--shares") is None
    assert option("chains_no_near_copy-a", "--shares") == "wrong_label=1,near_copy=0,exact_copy=1"
    assert option("dpo_plain-a", "--data.diverse") == "false"
    assert "--no-diverse" in stages["generate-obo_dpo_plain-a"].command
    assert "--no-diverse" not in stages["generate-obo_dpo-a"].command
    assert option("generate-obo_dpo_window-a", "--window") == "3"
    # each writes with the adapter that its own tuning made, of the other half
    adapters = {"": "dpo", "_plain": "dpo_plain", "_window": "dpo", "_no_near_copy": None}
    for suffix, tuned in adapters.items():
        name = f"{tuned or 'dpo_no_near_copy'}-b"
        expected = str(stages[name].folder / "adapter")
        assert option(f"generate-obo_dpo{suffix}-a", "--adapter") == expected
    # the two that are tuned alike share their adapters, and the plain one shares the chains
    assert len([name for name in stages if name.startswith("dpo")]) == 6
    assert len([name for name in stages if name.startswith("chains")]) == 4
    weighted = replace(experiment.chains, shares={"wrong_label": 2.0, "exact_copy": 1.0})
    made = plan(replace(experiment, arms=arms[3:], chains=weighted), tmp_path / "run")
    (shares,) = {
        s.command[s.command.index("--shares") + 1] for s in made.stages if s.kind == "chains"
    }
    assert shares == "wrong_label=2,near_copy=0,exact_copy=1"


def test_parts_of_a_generated_set_share_its_making(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    arms = ("obo_mix@2", "obo_mix", "obo_pure@2")
    out = tmp_path / "run"
    made = do(commands, replace(experiment, arms=arms), out)
    names = [stage.name.removeprefix("seed1/") for stage in made.stages]
    assert [name for name in names if name.startswith(("generate", "label", "collect"))] == [
        "generate-obo",
        "label-obo",
        "collect-obo@2",
        "collect-obo",
    ]
    collect = next(stage for stage in made.stages if stage.name.endswith("collect-obo@2"))
    assert collect.command[collect.command.index("--first") + 1] == "2"
    assert {"train-obo_mix@2", "test-obo_mix@2", "train-obo_pure@2"} <= set(names)
    assert [arm["arm"] for arm in read_json(out / "results.json")["arms"]] == list(arms)


def test_direct_asks_once_whatever_the_classifiers(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    classifiers = ("classifier/entity_marker", "classifier/knowprompt")
    several = replace(experiment, arms=("human", "direct"), classifiers=classifiers)
    made = do(commands, several, out)
    (stage,) = [stage for stage in made.stages if stage.kind == "direct"]
    assert stage.command[stage.command.index("--shots") + 1] == "2"
    arms = read_json(out / "results.json")["arms"]
    assert [(arm["arm"], arm["classifier"]) for arm in arms] == [
        ("human", "entity_marker"),
        ("direct", "direct"),
        ("human", "knowprompt"),
    ]
    assert arms[1]["diversity"] is None
    assert arms[1]["train_samples"] == 0


def test_seeds_are_run_apart_and_joined_by_a_whole_run(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    two, out = replace(experiment, seeds=(1, 2)), tmp_path / "run"
    made = do(commands, two, out, seeds=(2,))
    assert {stage.name for stage in made.stages if is_done(stage)} == {
        stage.name for stage in made.stages if stage.name.startswith("seed2/")
    }
    assert not (out / "results.json").exists()
    # while a whole run has the folder, seeds may be run beside it
    with (out / ".lock").open("w") as lock:
        assert try_lock(lock)
        do(commands, two, out, seeds=(1,))
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
    other = (split.folder.parent / f".{split.folder.name}.lock").open("w")
    assert try_lock(other)

    def does_it_meanwhile(seconds: float) -> None:
        runner._run_stage(split)
        other.close()

    monkeypatch.setattr(runner.time, "sleep", does_it_meanwhile)
    run_experiment(experiment, made, out, execute=commands, seeds=(1,))
    assert commands.ran.count("data split") == 2  # once at first, once by the other
    assert capsys.readouterr().err.count("waiting for the process at seed1/split") == 1


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
    found = against_human([{**row, "ensemble_micro_f1": None} for row in rows])
    means = {(row["arm"], row["classifier"]): round(row["mean"], 6) for row in found}
    assert means == {("direct", "a"): -0.3, ("direct", "b"): -0.4, ("obo_mix", "a"): 0.05}
