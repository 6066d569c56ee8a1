"""The command lines that train and test classifiers.

RetrievalRE is a trained KnowPrompt with a datastore. If an experiment has both, with the same
training settings, KnowPrompt is trained once and RetrievalRE uses its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from relgen.common import find_config, read_yaml
from relgen.experiments.arms import Arm
from relgen.experiments.config import Experiment
from relgen.experiments.corpora import Corpus
from relgen.experiments.stages import BOARD, OUT, Initialisation, Stage, StageFolders, Word

# added to the seed for each further initialisation; larger than the usual seeds of splits
_SEED_STEP = 1000
# half precision is for the arithmetic; the trained weights stay in float32
_PRECISION = {
    "float32": "32-true",
    "bfloat16": "bf16-mixed",
    "float16": "16-mixed",
    "float64": "64-true",
    "auto": "auto",
}
_KNOWPROMPT = "relgen.classifiers.knowprompt.KnowPromptClassifier"
_RETRIEVAL = "relgen.classifiers.retrieval.RetrievalClassifier"
_DATASTORE_SETTINGS = ("interpolation", "neighbours", "temperature")


@dataclass(frozen=True)
class Training:
    """One training of one classifier.

    `split` has the human samples and `collect` the generated ones, if the arm uses them. `number`
    counts the initialisations from 0.
    """

    split_seed: int
    arm: Arm
    preset: str
    split: Stage
    collect: Stage | None
    number: int

    @property
    def seed(self) -> int:
        """Return the seed of the initial weights and of the sample order."""
        return self.split_seed + self.number * _SEED_STEP


@dataclass(frozen=True)
class ClassifierCommands:
    """Adds the stages that train and test the classifiers of an experiment to `folders`."""

    experiment: Experiment
    corpus: Corpus
    folders: StageFolders
    in_grid: bool

    def add(self, training: Training) -> Initialisation:
        """Add a training and its test."""
        train = self._train(training)
        return Initialisation(training.seed, train, self._test(training, train))

    def _train(self, training: Training) -> Stage:
        """Train a classifier, or add a datastore to a KnowPrompt with the same training."""
        preset, seed, arm = training.preset, training.split_seed, training.arm
        options = self._classifier_options(training)
        options["--trainer.max_steps"] = self.experiment.classifier_steps
        weights = []
        if alike := self._trained_alike[preset]:
            model = self._train(replace(training, preset=alike)).folder / "model"
            options |= {"--trainer.max_steps": 0, "--model.classifier.trained": str(model)}
            weights = [model / "model.safetensors"]
        if arm.mix == "mix":
            options["--data.order"] = self.experiment.order
        return self.folders.add(
            f"seed{seed}/train-{arm.name}{self._suffix(training)}",
            "train",
            options=options | {"--out": OUT, "--tensorboard": BOARD},
            inputs=weights,
        )

    def _test(self, training: Training, trained: Stage) -> Stage:
        checkpoint = trained.folder / "checkpoints" / "last.ckpt"
        own: dict[str, Word] = {"--ckpt_path": checkpoint, "--out": OUT, "--tensorboard": BOARD}
        return self.folders.add(
            f"seed{training.split_seed}/test-{training.arm.name}{self._suffix(training)}",
            "test",
            options=self._classifier_options(training) | own,
        )

    def _classifier_options(self, training: Training) -> dict[str, Word]:
        arm, generated, dtype = training.arm, training.collect, self.experiment.dtype
        human = training.split.folder / "train.jsonl"
        return {
            "-c": training.preset,
            "--data.schema": self.corpus.schema,
            "--data.test": self.corpus.test,
            "--data.mix": arm.mix,
            "--data.human": None if arm.mix == "pure" else human,
            "--data.generated": generated.folder / "train.jsonl" if generated else None,
            "--seed_everything": training.seed,
            "--data.seed": training.seed,
            "--trainer.precision": _PRECISION[dtype] if dtype else None,
        }

    @cached_property
    def _trained_alike(self) -> dict[str, str | None]:
        presets = self.experiment.classifiers
        return {preset: trained_alike(preset, presets) for preset in presets}

    def _suffix(self, training: Training) -> str:
        # in a grid, cells with one classifier share the stages of cells with several
        named = self.in_grid or len(self.experiment.classifiers) > 1
        label = f"-{Path(training.preset).stem}" if named else ""
        # the first name does not depend on the number of initialisations, so that its work is kept
        return label + (f"-{training.number + 1}" if training.number else "")


def trained_alike(preset: str, presets: Sequence[str]) -> str | None:
    """Return the one of `presets` that is a KnowPrompt with the training of a RetrievalRE.

    Returns:
        None if `preset` is not a RetrievalRE, or no KnowPrompt has all of its settings.
    """
    ours = _settings(preset)
    if _classifier(ours).get("class_path") != _RETRIEVAL:
        return None
    _classifier(ours)["class_path"] = _KNOWPROMPT
    for name in _DATASTORE_SETTINGS:
        _classifier(ours).get("init_args", {}).pop(name, None)
    return next((other for other in presets if _settings(other) == ours), None)


def _settings(preset: str) -> dict[str, Any]:
    content = read_yaml(find_config(preset, "classifier"))
    return content if isinstance(content, dict) else {}


def _classifier(content: dict[str, Any]) -> dict[str, Any]:
    model = content.get("model") or {}
    found = (model.get("init_args") or {}).get("classifier")
    return found if isinstance(found, dict) else {}
