"""Collects the output of finished stages for the reports.

`results.json` holds the scores of all arms, `report_data.json` what a report needs beyond them:
times, command lines, and paths relative to the run's folder. Only an arm's `arm` and `seed` are
required there; a report omits the parts whose data is missing.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Required, TypedDict

from relgen import __version__
from relgen.common import counted, decode_json, read_json, read_lines, write_json
from relgen.data import RelationSchema, iter_samples, load_schema
from relgen.evaluation import mean
from relgen.experiments.arms import UNTRAINED, parse_arm
from relgen.experiments.compare import SCORES, compare, summarise
from relgen.experiments.config import Experiment
from relgen.experiments.corpora import ON_DISK
from relgen.experiments.reviews import describe_review
from relgen.experiments.stages import ArmStages, Plan, Stage

_DIVERSITY = ("cosine", "cosine_masked", "distinct_2", "self_bleu", "vendi", "word_repetition")
_TRAINING = ("human", "generated", "unlabelled")
_NAMED = 5  # relations in a line of text
_PACKAGES = ("torch", "lightning", "transformers", "peft", "datasets", "torchmetrics", "llguidance")


class StageData(TypedDict, total=False):
    """One stage: its command line as a person would type it, and how long it took."""

    name: Required[str]
    command: Required[str]
    seconds: float | None


class ArmFiles(TypedDict, total=False):
    """The files of one arm of one seed; its first three keys are those of `results.json`."""

    arm: Required[str]
    seed: Required[int]
    classifier: str
    scores: list[str]  # scores.json of each initialisation of the classifier
    classifier_history: list[str]  # history.jsonl of each
    human: str  # train.jsonl of the K-shot split
    generated: list[str]  # accepted samples: one file per half, or one for all
    labelled: str  # the same samples with the labels that a language model gave them
    unlabelled: str  # the user's sentences, with such labels
    diversity: str  # the output of `relgen diversity --json`
    dpo_history: dict[str, str]  # {"a": history.jsonl, "b": …}, or {"all": history.jsonl}


class ReportData(TypedDict, total=False):
    """The content of `report_data.json`."""

    settings: str  # the experiment's YAML
    versions: dict[str, str]  # of Python, relgen and packages, in the order shown
    device: str  # the hardware, in words
    stages: list[StageData]  # in the order in which they ran
    arms: list[ArmFiles]
    labels: list[str]  # of the schema
    negative: str | None
    show_human_sentences: bool  # false hides the corpus's own sentences


def write_results(experiment: Experiment, plan: Plan, out: Path) -> dict[str, Any]:
    """Write the scores of every arm to `results.json`, and return its content.

    All stages of the plan must be done.
    """
    gold = {sample.id: sample.relation for sample in iter_samples(plan.test)}
    schema, tested = load_schema(plan.schema), Counter(gold.values())
    arms = [_arm(stages, out, schema, gold) for stages in plan.arms]
    results = {
        "experiment": experiment.name,
        "corpus": experiment.corpus if isinstance(experiment.corpus, str) else schema.name,
        "shots": experiment.shots,
        "fewer_shots": _fewer_shots(plan, experiment.shots),
        "tested": {label: tested[label] for label in schema.labels},
        "reviewed": describe_review(experiment, plan.arms),
        "arms": arms,
        "summary": summarise(arms),
        **compare(arms, plan, schema.negative, gold),
    }
    write_json(out / "results.json", results)
    return results


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


def print_table(results: dict[str, Any]) -> None:
    """Print the scores of the arms in per cent, and what they gain on `human` and by a review."""
    from rich.console import Console
    from rich.table import Table

    seeds = max(row["n_seeds"] for row in results["summary"])
    shots = describe_shots(results)
    table = Table(title=f"{results['corpus']}, K = {shots}, {counted(seeds, 'seed')}, in %")
    several = len({row["classifier"] for row in results["summary"]} - {*UNTRAINED}) > 1
    official = any(row["mean"]["official_f1"] is not None for row in results["summary"])
    columns = [s for s in SCORES if s != "official_f1" or official]
    for name in ("arm", "classifier") if several else ("arm",):
        table.add_column(name)
    for name in columns:
        table.add_column(name.replace("_f1", "-F1"), justify="right")
    for row in results["summary"]:
        cells = [_percent(row["mean"][name], row["std"][name]) for name in columns]
        table.add_row(row["arm"], *([row["classifier"]] if several else []), *cells)
    # labels are texts: neither markup nor emoji
    Console(markup=False, emoji=False).print(table)
    for row in [*results["against_human"], *results["against_unreviewed"]]:
        name = f"{row['arm']} · {row['classifier']}" if several else row["arm"]
        said = f"{name} - {row['than']}: {_signed(row)}"
        if row["low"] is not None:
            said += f" (95% interval of {counted(row['n_seeds'], 'paired seed')}: {_ends(row)})"
        if (voted := row["ensemble"]) is not None:
            ends = "" if voted["low"] is None else f" ({_ends(voted)})"
            said += f"; both as ensembles of their initialisations: {_signed(voted)}{ends}"
        print(said)


def describe_shots(results: Mapping[str, Any]) -> str:
    """Return the number of shots, and the relations that have fewer: `8 (founded_by 4)`."""
    fewer = results.get("fewer_shots") or {}
    named = [f"{label} {number}" for label, number in list(fewer.items())[:_NAMED]]
    named += [f"{len(fewer) - _NAMED} more with fewer"] if len(fewer) > _NAMED else []
    return f"{results.get('shots', '')}" + (f" ({', '.join(named)})" if named else "")


def relative(path: Path, out: Path) -> str:
    """Return a path relative to a run's folder, so that the run can be moved.

    For a cell of a grid it starts with `..`: the stages are in the grid's folder.
    """
    return Path(os.path.relpath(path, out)).as_posix()


def _signed(row: Mapping[str, float]) -> str:
    return f"{100 * row['mean']:+z.1f}"


def _ends(row: Mapping[str, float]) -> str:
    return f"{100 * row['low']:+z.1f} to {100 * row['high']:+z.1f}"


def _percent(value: float | None, spread: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f}" + (f" ± {100 * spread:.1f}" if spread is not None else "")


def _fewer_shots(plan: Plan, shots: int) -> dict[str, int]:
    """Return the relations with fewer labelled samples than K, with the least of any seed."""
    manifests = {arm.split.folder / "manifest.json" for arm in plan.arms}
    counts = [read_json(path)["counts"]["train"] for path in manifests if path.is_file()]
    labels = load_schema(plan.schema).labels
    least = {label: min((of.get(label, 0) for of in counts), default=shots) for label in labels}
    return {label: number for label, number in least.items() if number < shots}


def _arm(
    stages: ArmStages, out: Path, schema: RelationSchema, gold: Mapping[str, str]
) -> dict[str, Any]:
    tests = [each.test.folder for each in stages.initialisations]
    scores = [read_json(folder / "scores.json") for folder in tests]
    diversity = stages.diversity and read_json(stages.diversity.folder / "diversity.json")
    return {
        "arm": stages.arm,
        "seed": stages.seed,
        "classifier": stages.classifier,
        "train_samples": _train_samples(stages),
        **{name: mean([of[name] for of in scores]) for name in SCORES},
        "initialisations": [
            {"seed": each.seed, **{name: of[name] for name in SCORES}}
            for each, of in zip(stages.initialisations, scores, strict=True)
        ],
        "ensemble_micro_f1": _ensemble(tests, schema, gold) if len(tests) > 1 else None,
        "diversity": diversity and {name: diversity["overall"][name] for name in _DIVERSITY},
        "generation": _generation(stages) if stages.generate else None,
        "labelling": _labelling(stages.label),
        "unlabelled": _labelling(stages.unlabelled),
        "predictions": relative(tests[0] / "predictions.jsonl", out),
    }


def _ensemble(tests: Sequence[Path], schema: RelationSchema, gold: Mapping[str, str]) -> float:
    """Return the micro-F1 of the mean of the initialisations' probabilities."""
    from relgen.evaluation import score_labels

    totals = {name: [0.0] * len(schema) for name in gold}
    for folder in tests:
        for line in read_lines(folder / "predictions.jsonl"):
            row = decode_json(line)
            total = totals[row["id"]]
            for place, label in enumerate(schema.labels):
                total[place] += row["scores"][label]
    voted = [schema.labels[total.index(max(total))] for total in totals.values()]
    return score_labels(voted, list(gold.values()), schema).micro_f1


def _train_samples(stages: ArmStages) -> int:
    if parse_arm(stages.arm).reviewed and (train := stages.initialisations[0].train):
        # a review leaves samples out, and adds some: the training has counted them
        files = read_json(train.folder / "model" / "config.json")["data"]["files"]
        return sum(of["samples"] for name, of in files.items() if name in _TRAINING)
    human = stages.split if parse_arm(stages.arm).mix in ("human", "mix") else None
    files = [stage.folder / "train.jsonl" for stage in (human, stages.collect) if stage]
    files += [stages.unlabelled.folder / "labelled.jsonl"] if stages.unlabelled else []
    return sum(1 for file in files for line in read_lines(file) if line.strip())


def _generation(stages: ArmStages) -> dict[str, Any]:
    parts = [read_json(stage.folder / "generation.json") for stage in stages.generate]
    rejected = sum((Counter(part["rejected"]) for part in parts), Counter[str]())
    same = parts[0]  # the halves differ in their relations alone
    return {
        "accepted": sum(part["accepted"] for part in parts),
        "rejected": dict(sorted(rejected.items())),
        "seconds": round(sum(part["seconds"] for part in parts), 2),
        "tokens": sum(part["tokens"] for part in parts),
        "relations": {name: of for part in parts for name, of in part["relations"].items()},
        **{name: same[name] for name in ("model", "token_budget", "limits")},
    }


def _labelling(stage: Stage | None) -> dict[str, Any] | None:
    """Return numbers of samples, kept and left out, and the labelling model's own score."""
    if stage is None:
        return None
    summary = read_json(stage.folder / "labelled.json")
    names = ("samples", "agreed", "uncertain", "left_out", "train_micro_f1", "relations", "read_as")
    return {name: summary[name] for name in names}


def _arm_files(stages: ArmStages, out: Path) -> ArmFiles:
    def place(stage: Stage, name: str) -> str:
        return relative(stage.folder / name, out)

    files: ArmFiles = {
        "arm": stages.arm,
        "seed": stages.seed,
        "classifier": stages.classifier,
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
    if stages.unlabelled is not None:
        files["unlabelled"] = place(stages.unlabelled, "labelled.jsonl")
    return files


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"CPU, {torch.get_num_threads()} threads"
