"""Estimates how long stages take: by what they do, corrected by the stages that are done.

The rough figures are those of the embedded models on two cores. Once a stage of a kind is done in a
run's folder, its own time tells how the others of its kind compare with them; until then those of
other kinds tell how fast the machine is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from relgen.common import read_json
from relgen.data import load_schema
from relgen.experiments.changes import preset_content
from relgen.experiments.config import Experiment
from relgen.experiments.stages import Plan, Stage
from relgen.models import EMBEDDED_ENCODER, EMBEDDED_LANGUAGE_MODEL

_SECONDS = {"diversity": 3.0, "test": 3.0}
_SHORT = 1.0  # of converting, drawing and collecting
_LOADING = 4.0
_PER_PAIR, _PER_SAMPLE, _PER_READ, _PER_ANSWER, _PER_STEP = 1.15, 0.41, 0.135, 0.5, 0.28
_TEST = 500  # sentences, where the file is not there yet
_ALL = "all kinds that compute with an embedded model"
_EMBEDDED = {EMBEDDED_LANGUAGE_MODEL, EMBEDDED_ENCODER}


class Estimates:
    """Expected seconds of the stages of experiments; those that are done correct them."""

    def __init__(self, planned: Iterable[tuple[Experiment, Plan]]) -> None:
        self._rough: dict[Path, float] = {}
        self._seen: dict[str, tuple[float, float]] = {}
        for experiment, plan in planned:
            sizes = len(load_schema(plan.schema)), _count_lines(plan.test)
            for stage in plan.stages:
                if stage.folder not in self._rough:
                    self._rough[stage.folder] = _on_two_cores(stage, experiment, *sizes)
                    if stage.record.is_file():
                        self.learn(stage, read_json(stage.record)["seconds"])

    def learn(self, stage: Stage, seconds: float) -> None:
        """Take into account how long a stage of the plan took."""
        embedded = stage.models and _EMBEDDED.issuperset(stage.models)
        for kind in (stage.kind, _ALL) if embedded else (stage.kind,):
            expected, taken = self._seen.get(kind, (0.0, 0.0))
            self._seen[kind] = (expected + self._rough[stage.folder], taken + seconds)

    def seconds(self, stage: Stage) -> float | None:
        """Return how long a stage will take.

        None if its model is not an embedded one and no stage of its kind is done yet.
        """
        kind = stage.kind
        if kind not in self._seen:
            if not _EMBEDDED.issuperset(stage.models):
                return None
            kind = _ALL if stage.models else kind  # a split takes as long everywhere
        expected, taken = self._seen.get(kind, (1.0, 1.0))
        return self._rough[stage.folder] * taken / expected

    def describe(self, stages: Iterable[Stage]) -> str:
        """Return how long several stages will take, in words."""
        stages = list(stages)
        found = [(stage.kind, self.seconds(stage)) for stage in stages]
        unknown = list(dict.fromkeys(kind for kind, seconds in found if seconds is None))
        said = f"about {in_words(sum(seconds for _, seconds in found if seconds is not None))}"
        if any(stage.models and stage.kind not in self._seen for stage in stages):
            said += " (roughly, as measured on two cores)"
        if unknown:
            said += f", and {', '.join(unknown)}: known once the first of each is done"
        return said


def in_words(seconds: float) -> str:
    """Return a duration in the largest unit of which there are two, such as `12 min`."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(1.0, seconds):.0f} s"


def _on_two_cores(stage: Stage, experiment: Experiment, labels: int, test: int) -> float:
    """Return rough seconds, from the numbers of the corpus's labels and test sentences."""
    kind, words = stage.kind, stage.command
    halved = "--half" in words or (kind == "dpo" and experiment.halves)
    relations = labels / (2 if halved else 1)
    if kind == "dpo":
        pairs = relations * max(1, experiment.shots - 1) * experiment.chains.per_relation
        return _LOADING + _PER_PAIR * pairs * _given(stage, "max_epochs")
    if kind == "generate":
        return _LOADING + _PER_SAMPLE * relations * experiment.generator.samples
    if kind == "label":
        read = relations * experiment.generator.samples
        if "--pool" in words:
            read = float(words[words.index("--pool") + 1])
        return _LOADING + _PER_READ * (read + relations * experiment.shots)
    if kind in ("direct", "reader"):
        return _LOADING + (_PER_ANSWER if kind == "direct" else _PER_READ) * test
    if kind == "train":
        return _LOADING + _PER_STEP * max(1.0, _given(stage, "max_steps"))
    return _SECONDS.get(kind, _SHORT)


def _given(stage: Stage, key: str) -> float:
    """Return a number of the Trainer that the command line or its configuration gives, or 1."""
    words = stage.command
    if (option := f"--trainer.{key}") in words:
        return float(words[words.index(option) + 1])
    content = preset_content(words[words.index("-c") + 1], words[0])
    return float((content.get("trainer") or {}).get(key) or 1)


def _count_lines(file: Path) -> int:
    if not file.is_file():
        return _TEST
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
