"""Hashes that name the folders of stages."""

from __future__ import annotations

from dataclasses import fields, replace
from inspect import signature
from pathlib import Path

from lightning.pytorch import Trainer

from datamodules.preferences import PreferenceDataModule
from datamodules.relations import RelationDataModule
from lightning_modules.dpo import DPOModule
from lightning_modules.relation_classifier import RelationClassifierModule
from relgen.classifiers.retrieval import RetrievalClassifier
from relgen.cli.trained_options import TrainedOptions
from relgen.experiments.config import CorpusFiles, Experiment, Labelling
from relgen.experiments.planner import plan


def test_a_changed_corpus_file_gets_new_folders(
    experiment: Experiment, corpus: CorpusFiles, tmp_path: Path
) -> None:
    before = plan(experiment, tmp_path / "run").stages[0].folder
    samples = Path(corpus.train).read_text(encoding="utf-8")
    Path(corpus.train).write_text(samples.replace("Ann", "Eve"), encoding="utf-8")
    assert plan(experiment, tmp_path / "run").stages[0].folder != before


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


def test_trained_commands_have_the_keys_that_stages_give(
    experiment: Experiment, tmp_path: Path
) -> None:
    varied = replace(
        experiment,
        arms=("human", "obo_dpo_mix", "obo_dpo_plain_pure"),
        classifiers=("classifier/knowprompt", "classifier/retrieval"),
        classifier_steps=1,
        dpo_epochs=1,
        dtype="float32",
        order="together",
    )
    trained = [
        stage.command
        for stage in plan(varied, tmp_path / "run").stages
        if stage.kind in ("dpo", "train", "test")
    ]
    given = {word[2:] for line in trained for word in line if word.startswith("--")}
    classes = {
        "data": (PreferenceDataModule, RelationDataModule),
        "model": (DPOModule, RelationClassifierModule),
        "trainer": (Trainer,),
    }
    known = {entry.name for entry in fields(TrainedOptions)} | {"seed_everything", "ckpt_path"}
    for section, kinds in classes.items():
        known |= {f"{section}.{name}" for kind in kinds for name in signature(kind).parameters}
    inside = {"model.classifier.trained"}
    assert "trained" in signature(RetrievalClassifier).parameters
    assert inside | {"data.diverse", "data.order", "trainer.max_epochs"} <= given
    assert given - inside <= known
