"""Writes `report_data.json`: everything that a report needs beyond `results.json`.

All paths in it are relative to the run's folder. Only an arm's `arm` and `seed` are required; the
report omits the parts whose data is missing.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
from pathlib import Path
from typing import Required, TypedDict

from relgen import __version__
from relgen.common import read_json, write_json
from relgen.data import load_schema
from relgen.experiments.config import Experiment
from relgen.experiments.corpora import ON_DISK
from relgen.experiments.results import relative
from relgen.experiments.stages import ArmStages, Plan, Stage

_PACKAGES = ("torch", "lightning", "transformers", "peft", "datasets", "torchmetrics", "llguidance")


class StageData(TypedDict, total=False):
    """One stage: its command line as a person would type it, and how long it took."""

    name: Required[str]
    command: Required[str]
    seconds: float | None


class ArmFiles(TypedDict, total=False):
    """The files of one arm of one seed.

    Keys:
        arm, seed, classifier: as in `results.json`; `classifier` is optional if there is only one.
        scores: `scores.json` of each initialisation of the classifier.
        classifier_history: `history.jsonl` of each.
        human: the K-shot split's `train.jsonl`.
        generated: the files of accepted samples, one per half or one for all.
        labelled: the same samples with the labels that a language model gave them.
        diversity: the output of `relgen diversity --json`.
        dpo_history: {"a": history.jsonl, "b": …}, or one file under the key "all".
    """

    arm: Required[str]
    seed: Required[int]
    classifier: str
    scores: list[str]
    classifier_history: list[str]
    human: str
    generated: list[str]
    labelled: str
    diversity: str
    dpo_history: dict[str, str]


class ReportData(TypedDict, total=False):
    """The content of `report_data.json`.

    Keys:
        settings: the experiment's YAML, as text.
        versions: {"python": …, "relgen": …, "torch": …}, in the order shown.
        device: the hardware, in words.
        stages: every stage, in the order in which they ran.
        arms: the files of every arm and seed.
        labels, negative: the schema's labels, and its negative one or null.
        show_human_sentences: false keeps the corpus's own sentences out of the report.
    """

    settings: str
    versions: dict[str, str]
    device: str
    stages: list[StageData]
    arms: list[ArmFiles]
    labels: list[str]
    negative: str | None
    show_human_sentences: bool


def write_report_data(experiment: Experiment, plan: Plan, out: Path) -> None:
    """Write `report_data.json` for a plan whose stages are all done."""
    schema = load_schema(plan.schema)
    known = ON_DISK.get(experiment.corpus) if isinstance(experiment.corpus, str) else None
    versions = {"python": platform.python_version(), "relgen": __version__}
    data: ReportData = {
        "settings": experiment.source,
        "versions": versions | {name: importlib.metadata.version(name) for name in _PACKAGES},
        "device": _device(),
        "stages": [
            {
                "name": stage.name,
                "command": f"relgen {shlex.join(stage.command)}",
                "seconds": read_json(stage.record)["seconds"],
            }
            for stage in plan.stages
        ],
        "arms": [_arm_files(stages, out) for stages in plan.arms],
        "labels": list(schema.labels),
        "negative": schema.negative,
        "show_human_sentences": known is None or known.public,
    }
    write_json(out / "report_data.json", data)


def _arm_files(stages: ArmStages, out: Path) -> ArmFiles:
    def place(stage: Stage, name: str) -> str:
        return relative(stage.folder / name, out)

    files: ArmFiles = {
        "arm": stages.arm,
        "seed": stages.seed,
        "classifier": Path(stages.classifier).stem,
        "scores": [place(each.test, "scores.json") for each in stages.initialisations],
        "classifier_history": [
            place(each.train, "history.jsonl") for each in stages.initialisations if each.train
        ],
        "human": place(stages.split, "train.jsonl"),
        "generated": [place(stage, "generated.jsonl") for stage in stages.generate],
        "dpo_history": {
            stage.name.rpartition("-")[2]: place(stage, "history.jsonl") for stage in stages.dpo
        },
    }
    if stages.diversity is not None:
        files["diversity"] = place(stages.diversity, "diversity.json")
    if stages.label is not None:
        files["labelled"] = place(stages.label, "labelled.jsonl")
    return files


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"CPU, {torch.get_num_threads()} threads"
