"""The stages of a plan, and what they share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from relgen.common.files import read_json
from relgen.data.samples import UNLABELLED, Entity, Sample, write_samples
from relgen.experiments.config import CorpusFiles, Experiment, Labelling
from relgen.experiments.planner import plan
from tests.relgen.experiments.fake_commands import FakeCommands, do


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


def test_shots_can_be_drawn_by_documents(experiment: Experiment, tmp_path: Path) -> None:
    assert isinstance(experiment.corpus, CorpusFiles)
    by_group = replace(experiment, corpus=replace(experiment.corpus, by="group"))
    one, other = (plan(each, tmp_path / "run").stages[0] for each in (experiment, by_group))
    assert "--by" not in one.command
    assert other.command[other.command.index("--by") + 1] == "group"


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


def test_unlabelled_sentences_are_read_once_and_trained_on(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    sentences = tmp_path / "mine.jsonl"
    sentences.write_text("{}\n", encoding="utf-8")
    arms = ("human", "unlabelled_mix", "obo_unlabelled_mix", "obo_mix")
    mine = replace(
        experiment,
        arms=arms,
        unlabelled=str(sentences),
        label=Labelling(model="m", pool=50, most=20),
    )
    made = do(commands, mine, tmp_path / "run")
    stages = {stage.name.removeprefix("seed1/"): stage for stage in made.stages}
    # before what takes long
    assert list(stages)[:2] == ["split", "label-unlabelled"]
    assert [name for name in stages if name.startswith("label")] == [
        "label-unlabelled",
        "label-obo",
    ]
    label, split = stages["label-unlabelled"], stages["split"]
    assert list(label.command) == [
        *("label", str(sentences), "--train", str(split.folder / "train.jsonl")),
        *("--schema", mine.corpus.schema, "--dtype", "float32", "--model", "m"),
        *("--out", str(label.folder / "labelled.jsonl"), "--pool", "50", "--most", "20"),
        *("--seed", "1", "--ignore-relations", "--exclude", mine.corpus.test),
    ]

    def given(arm: str) -> dict[str, str]:
        words = stages[f"train-{arm}"].command
        keys = ("--data.human", "--data.generated", "--data.unlabelled")
        found = {key: words[words.index(key) + 1] for key in keys if key in words}
        return {key: Path(path).parent.name.rpartition("-")[0] for key, path in found.items()}

    read = {"--data.unlabelled": "label-unlabelled"}
    human, generated = {"--data.human": "split"}, {"--data.generated": "collect-obo"}
    assert given("human") == human
    assert given("unlabelled_mix") == human | read
    assert given("obo_unlabelled_mix") == human | generated | read
    assert given("obo_mix") == human | generated
    results = read_json(tmp_path / "run" / "results.json")["arms"]
    assert [arm["unlabelled"] and arm["unlabelled"]["left_out"] for arm in results] == [
        *(None, {"not_drawn": 3}, {"not_drawn": 3}, None)
    ]
    assert [arm["train_samples"] for arm in results] == [1, 2, 3, 2]
    assert [arm["diversity"] is None for arm in results] == [False, True, False, False]
    # the content of the file decides
    sentences.write_text("{}\n{}\n", encoding="utf-8")
    again = {stage.name: stage for stage in plan(mine, tmp_path / "run").stages}
    assert again["seed1/label-unlabelled"].folder != label.folder
    assert again["seed1/train-unlabelled_mix"].folder != stages["train-unlabelled_mix"].folder
    assert again["seed1/train-obo_mix"].folder == stages["train-obo_mix"].folder


def test_a_review_redoes_what_depends_on_it(
    experiment: Experiment,
    tmp_path: Path,
    commands: FakeCommands,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "Ann met Bob at the sea."  # of FakeCommands
    one = Sample("train-1", text, Entity(0, 3), Entity(8, 11), "a", "generated")
    file = tmp_path / "reviewed.jsonl"
    review = {"reviewer": "ann", "decision": "changed", "seconds": 90}
    no = replace(one, id="g-0", relation=UNLABELLED, review={**review, "decision": "rejected"})
    write_samples(file, [no, replace(one, review=review), replace(one, id="g-2")])
    arms = ("human", "obo_mix", "obo_mix_reviewed")
    mine = replace(experiment, arms=arms, reviewed=str(file))
    made = {stage.name: stage for stage in do(commands, mine, tmp_path / "run").stages}
    assert "obo_mix_reviewed - obo_mix: +0.0\n" in capsys.readouterr().out
    before, after = made["seed1/train-obo_mix"], made["seed1/train-obo_mix_reviewed"]
    assert "--data.reviewed" not in before.command
    place = after.command.index("--data.reviewed")
    assert after.command[place + 1] == str(file)
    assert sorted(name for name in made if "obo" in name and "train" not in name) == [
        *(f"seed1/{kind}-obo" for kind in ("collect", "diversity", "generate", "label")),
        *("seed1/test-obo_mix", "seed1/test-obo_mix_reviewed"),
    ]
    results = read_json(tmp_path / "run" / "results.json")
    decisions = {"changed": 1, "rejected": 1}
    facts = {"sentences": 2, "used": 1, "minutes": 3.0, "decisions": decisions}
    assert results["reviewed"] == facts  # one is of another run
    assert [arm["train_samples"] for arm in results["arms"]] == [1, 2, 2]
    (row,) = results["against_unreviewed"]
    assert (row["arm"], row["than"]) == ("obo_mix_reviewed", "obo_mix")
    # a sentence more is rejected
    write_samples(file, [no, replace(one, review=no.review), replace(one, id="g-2")])
    again = {stage.name: stage for stage in plan(mine, tmp_path / "run").stages}
    redone = {name for name, stage in again.items() if stage.folder != made[name].folder}
    assert redone == {"seed1/train-obo_mix_reviewed", "seed1/test-obo_mix_reviewed"}


def test_the_language_model_is_asked_once_whatever_the_classifiers(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    out = tmp_path / "run"
    classifiers = ("classifier/entity_marker", "classifier/knowprompt")
    arms = ("human", "direct", "reader")
    several = replace(experiment, arms=arms, classifiers=classifiers, label=Labelling(model="m"))
    made = do(commands, several, out)
    (stage,) = [stage for stage in made.stages if stage.kind == "direct"]
    assert stage.command[stage.command.index("--shots") + 1] == "2"
    arms = read_json(out / "results.json")["arms"]
    assert [(arm["arm"], arm["classifier"]) for arm in arms] == [
        ("human", "entity_marker"),
        ("direct", "direct"),
        ("reader", "reader"),
        ("human", "knowprompt"),
    ]
    assert arms[1]["diversity"] is None
    assert arms[1]["train_samples"] == 0
    (stage,) = [stage for stage in made.stages if stage.kind == "reader"]
    split = next(stage for stage in made.stages if stage.kind == "split")
    assert list(stage.command) == [
        *("reader", "--train", str(split.folder / "train.jsonl")),
        *("--schema", several.corpus.schema, "--dtype", "float32", "--model", "m"),
        *("--test", several.corpus.test, "--out", str(stage.folder)),
    ]
    # the language model alone is compared with each classifier
    rows = read_json(out / "results.json")["against_human"]
    assert {(row["arm"], row["classifier"]) for row in rows} == {
        (arm, name) for arm in ("direct", "reader") for name in ("entity_marker", "knowprompt")
    }


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
