"""The stages of an experiment that train classifiers and test them.

RetrievalRE is a trained KnowPrompt with a datastore. Where an experiment has both, and their
presets train alike, KnowPrompt is trained once and RetrievalRE takes its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from relgen.common import find_config, read_yaml
from relgen.experiments.arms import Arm
from relgen.experiments.plans import Initialisation, Stage
from relgen.experiments.stage_corpora import Corpus
from relgen.experiments.stage_folders import BOARD, OUT, StageFolders

# from one initialisation's seed to the next: far enough for no split's seed to be met
_SEED_STEP = 1000
# half precision for the arithmetic: the weights that are trained stay in float32
_PRECISION: dict[str | None, tuple[str, ...]] = {
    None: (),
    "float32": ("--trainer.precision", "32-true"),
    "bfloat16": ("--trainer.precision", "bf16-mixed"),
    "float16": ("--trainer.precision", "16-mixed"),
    "float64": ("--trainer.precision", "64-true"),
    "auto": ("--trainer.precision", "auto"),
}
_KNOWPROMPT = "relgen.classifiers.knowprompt.KnowPromptClassifier"
_RETRIEVAL = "relgen.classifiers.retrieval.RetrievalClassifier"
_OF_THE_DATASTORE = ("interpolation", "neighbours", "temperature")


@dataclass(frozen=True)
class ClassifierStages:
    """Plans trainings and tests of an experiment's classifiers.

    Args:
        folders: takes the stages.
        corpus: whose schema and test file they read.
        presets: all classifiers of the experiment.
        steps: of each training; none leaves the preset's.
        order: of human and generated samples in a training; none leaves the preset's.
        dtype: of the arithmetic; `auto` is left to the machine that trains.
        named: whether stages carry the preset's name.
    """

    folders: StageFolders
    corpus: Corpus
    presets: Sequence[str]
    steps: int | None
    order: str | None
    dtype: str | None
    named: bool

    def add(
        self, seed: int, arm: Arm, preset: str, split: Stage, collect: Stage | None, number: int
    ) -> Initialisation:
        """One classifier's training on one arm's set, and its test.

        Args:
            seed: of the split.
            arm: whose set it is.
            preset: the classifier.
            split: has the human samples.
            collect: has the generated ones, if the arm takes any.
            number: of the initialisation, from 0.
        """
        train = self._train(seed, arm, preset, split, collect, number)
        checkpoint = train.folder / "checkpoints" / "last.ckpt"
        options, _ = self._options(seed, arm, preset, split, collect, number)
        test = self.folders.add(
            f"seed{seed}/test-{arm.name}{self._label(preset, number)}",
            "test",
            (
                *("classifier", "test", *options, "--ckpt_path", str(checkpoint)),
                *("--out", OUT, "--tensorboard", BOARD),
            ),
            inputs=[self.corpus.test, checkpoint],
            external=self._external(preset),
        )
        return Initialisation(_own_seed(seed, number), train, test)

    @cached_property
    def _trained_alike(self) -> dict[str, str | None]:
        return {preset: trained_alike(preset, self.presets) for preset in self.presets}

    def _train(
        self, seed: int, arm: Arm, preset: str, split: Stage, collect: Stage | None, number: int
    ) -> Stage:
        options, files = self._options(seed, arm, preset, split, collect, number)
        steps: tuple[str, ...] = ()
        if self.steps is not None:
            steps = ("--trainer.max_steps", str(self.steps))
        trained = self._trained_alike[preset]
        if trained is not None:
            first = self._train(seed, arm, trained, split, collect, number)
            steps = ("--trainer.max_steps", "0")
            steps += ("--model.classifier.trained", f"{first.folder}/model")
            files = [*files, first.folder / "model" / "model.safetensors"]
        if self.order is not None and arm.mix == "mix":
            steps += ("--data.order", self.order)
        return self.folders.add(
            f"seed{seed}/train-{arm.name}{self._label(preset, number)}",
            "train",
            ("classifier", "fit", *options, *steps, "--out", OUT, "--tensorboard", BOARD),
            inputs=[*files, self.corpus.test],
            external=self._external(preset),
        )

    def _options(
        self, seed: int, arm: Arm, preset: str, split: Stage, collect: Stage | None, number: int
    ) -> tuple[tuple[str, ...], list[Path]]:
        """What training and test have in common, and the files of samples among it."""
        mix = arm.mix
        human = split.folder / "train.jsonl"
        files = [human] if mix != "pure" else []
        data = ["--data.schema", self.corpus.schema, "--data.test", str(self.corpus.test)]
        data += ["--data.mix", mix, *(("--data.human", str(human)) if mix != "pure" else ())]
        if collect is not None:
            files.append(collect.folder / "train.jsonl")
            data += ["--data.generated", str(files[-1])]
        own = str(_own_seed(seed, number))
        seeds = ("--seed_everything", own, "--data.seed", own)
        return ("-c", preset, *data, *seeds, *_PRECISION[self.dtype]), files

    def _label(self, preset: str, number: int) -> str:
        label = f"-{Path(preset).stem}" if self.named else ""
        # the first one's name and seed do not depend on how many follow: its work is kept
        return label + (f"-{number + 1}" if number else "")

    def _external(self, preset: str) -> list[Path]:
        return [*self.corpus.external, find_config(preset, "classifier")]


def trained_alike(preset: str, presets: Sequence[str]) -> str | None:
    """The KnowPrompt among some presets whose training is that of a RetrievalRE.

    Args:
        preset: any classifier's.
        presets: those of the experiment.

    Returns:
        None where `preset` is no RetrievalRE, or no KnowPrompt has all of its settings.
    """
    ours = _training(preset)
    if _classifier(ours).get("class_path") != _RETRIEVAL:
        return None
    _classifier(ours)["class_path"] = _KNOWPROMPT
    for name in _OF_THE_DATASTORE:
        _classifier(ours).get("init_args", {}).pop(name, None)
    return next((other for other in presets if _training(other) == ours), None)


def _training(preset: str) -> dict[str, Any]:
    content = read_yaml(find_config(preset, "classifier"))
    return content if isinstance(content, dict) else {}


def _classifier(content: dict[str, Any]) -> dict[str, Any]:
    model = content.get("model") or {}
    found = (model.get("init_args") or {}).get("classifier")
    return found if isinstance(found, dict) else {}


def _own_seed(seed: int, number: int) -> int:
    return seed + number * _SEED_STEP
