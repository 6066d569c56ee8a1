"""Settings of an experiment as options of its commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from relgen.common.files import read_json
from relgen.experiments.config import CorpusFiles, Experiment, Labelling
from relgen.experiments.planner import plan
from tests.relgen.experiments.fake_commands import FakeCommands, do


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
