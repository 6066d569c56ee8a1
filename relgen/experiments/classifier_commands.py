"""The command lines that train and test classifiers.

RetrievalRE is a trained KnowPrompt with a datastore. If an experiment has both, with the same
training settings, KnowPrompt is trained once and RetrievalRE uses its weights.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from relgen.common import PRECISIONS
from relgen.experiments.arms import Arm
from relgen.experiments.changes import Preset
from relgen.experiments.stage_commands import StageCommands
from relgen.experiments.stages import CURVES, OUT, ArmStages, Initialisation, Stage, keys

# added to the seed for each further initialisation; larger than the usual seeds of splits
_SEED_STEP = 1000
_KNOWPROMPT = "relgen.classifiers.knowprompt.KnowPromptClassifier"
_RETRIEVAL = "relgen.classifiers.retrieval.RetrievalClassifier"
_DATASTORE_SETTINGS = ("interpolation", "neighbours", "temperature")
_Options = dict[str, str | int | Path | None]


@dataclass(frozen=True)
class Training:
    """One training of one classifier, and its test.

    `alike` is from `trained_alike`; `made` are the stages of the arm's data: `split` with the human
    samples, and `collect` and `unlabelled` with others. `number` counts the initialisations from 0.
    """

    commands: StageCommands
    split_seed: int
    arm: Arm
    preset: Preset
    alike: Preset | None
    made: ArmStages
    number: int

    @property
    def seed(self) -> int:
        """Return the seed of the initial weights and of the sample order."""
        return self.split_seed + self.number * _SEED_STEP

    def add(self) -> Initialisation:
        """Add the stages that train and test."""
        trained = self._train()
        options = self._options() | {"ckpt_path": trained.folder / "checkpoints" / "last.ckpt"}
        return Initialisation(self.seed, trained, self._stage("test", "classifier test", options))

    def _train(self) -> Stage:
        """Train a classifier, or add a datastore to a KnowPrompt with the same training."""
        experiment = self.commands.experiment
        options = self._options() | {"trainer.max_steps": experiment.classifier_steps}
        weights = []
        if self.alike:
            model = replace(self, preset=self.alike, alike=None)._train().folder / "model"
            options |= {"trainer.max_steps": 0, "model.classifier.trained": str(model)}
            weights = [model / "model.safetensors"]
        if self.arm.mix == "mix":
            options["data.order"] = experiment.order
        return self._stage("train", "classifier fit", options, *weights)

    def _options(self) -> _Options:
        experiment, corpus, made = self.commands.experiment, self.commands.corpus, self.made
        read = made.unlabelled.folder / "labelled.jsonl" if made.unlabelled else None
        review = experiment.reviewed
        return {
            "data.schema": corpus.schema,
            "data.test": corpus.test,
            "data.mix": self.arm.mix,
            "data.human": None if self.arm.mix == "pure" else made.split.folder / "train.jsonl",
            "data.generated": made.collect.folder / "train.jsonl" if made.collect else None,
            "data.unlabelled": read,
            "data.reviewed": Path(review) if review and self.arm.reviewed else None,
            "seed_everything": self.seed,
            "data.seed": self.seed,
            "trainer.precision": PRECISIONS[experiment.dtype] if experiment.dtype else None,
        }

    def _stage(self, kind: str, command: str, options: _Options, *inputs: Path) -> Stage:
        folders = self.commands.folders
        name = f"seed{self.split_seed}/{kind}-{self.arm.name}"
        # in a grid, cells with one classifier share the stages of cells with several
        if folders.cell or len(self.commands.experiment.classifiers) > 1:
            name += f"-{self.preset.label}"
        # the first name does not depend on the number of initialisations, so that its work is kept
        name += f"-{self.number + 1}" if self.number else ""
        given = {key: value for key, value in options.items() if value is not None}
        own = {**self.preset.words(), **given, "out": OUT, "tensorboard": CURVES}
        models = [self.preset.encoder]
        return folders.add(name, command, keys(own), self.preset.preset, *inputs, models=models)


def trained_alike(preset: Preset, presets: Sequence[Preset]) -> Preset | None:
    """Return the one of `presets` that is a KnowPrompt with a RetrievalRE's training, or None."""
    ours = copy.deepcopy(preset.settings("classifier"))
    if _classifier(ours).get("class_path") != _RETRIEVAL:
        return None
    _classifier(ours)["class_path"] = _KNOWPROMPT
    for name in _DATASTORE_SETTINGS:
        _classifier(ours).get("init_args", {}).pop(name, None)
    return next((other for other in presets if other.settings("classifier") == ours), None)


def _classifier(content: dict[str, Any]) -> dict[str, Any]:
    model = content.get("model") or {}
    found = (model.get("init_args") or {}).get("classifier")
    return found if isinstance(found, dict) else {}
