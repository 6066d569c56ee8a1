"""From the folders of finished stages to `results.json`, the report's data, and a table."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.common import read_json, read_lines, write_json
from relgen.data import RelationSchema, iter_samples, load_schema
from relgen.evaluation import mean
from relgen.experiments.arms import parse_arm
from relgen.experiments.compare import (
    SCORES,
    Tested,
    against_human,
    against_method,
    against_no_dpo,
    summarise,
)
from relgen.experiments.config import Experiment
from relgen.experiments.plans import ArmStages, Plan, Stage
from relgen.experiments.report_data import ArmFiles, ReportData, StageData
from relgen.experiments.stage_corpora import ON_DISK

_PACKAGES = ("torch", "lightning", "transformers", "peft", "datasets", "torchmetrics", "llguidance")
_DIVERSITY = (
    "cosine",
    "cosine_masked",
    "distinct_2",
    "self_bleu",
    "vendi",
    "word_repetition",
)


def write_results(experiment: Experiment, plan: Plan, out: Path) -> dict[str, Any]:
    """Collects the scores of every arm into `results.json`; returns what it wrote.

    Args:
        experiment: what was done.
        plan: its stages, all finished.
        out: the run's folder.
    """
    gold = {sample.id: sample.relation for sample in iter_samples(plan.test)}
    schema = load_schema(plan.schema)
    arms = [_arm(stages, out, schema, gold) for stages in plan.arms]
    tested = Tested(plan, schema, gold)
    results = {
        "experiment": experiment.name,
        "corpus": _corpus_name(experiment, plan),
        "shots": experiment.shots,
        "arms": arms,
        "summary": summarise(arms),
        "against_human": tested.bootstrapped(against_human(arms)),
        "against_no_dpo": tested.bootstrapped(against_no_dpo(arms)),
        "against_method": tested.bootstrapped(against_method(arms)),
    }
    write_json(out / "results.json", results)
    return results


def write_report_data(experiment: Experiment, plan: Plan, out: Path) -> None:
    """Writes `report_data.json`: where everything lies, for `relgen report`.

    Args:
        experiment: what was done.
        plan: its stages, all finished.
        out: the run's folder; paths in the file are relative to it.
    """
    schema = load_schema(plan.schema)
    known = ON_DISK.get(experiment.corpus) if isinstance(experiment.corpus, str) else None
    data: ReportData = {
        "settings": experiment.source,
        "versions": _versions(),
        "device": _device(),
        "stages": [_stage_data(stage) for stage in plan.stages],
        "arms": [_arm_files(stages, out) for stages in plan.arms],
        "labels": list(schema.labels),
        "negative": schema.negative,
        "show_human_sentences": known is None or known.public,
    }
    write_json(out / "report_data.json", data)


def print_table(results: dict[str, Any]) -> None:
    """Prints the table of arms, in per cent."""
    from rich.console import Console
    from rich.table import Table

    seeds = max(row["n_seeds"] for row in results["summary"])
    table = Table(title=f"{results['corpus']}, K = {results['shots']}, {seeds} seed(s), in %")
    several = len({row["classifier"] for row in results["summary"]} - {"direct"}) > 1
    official = any(row["mean"]["official_f1"] is not None for row in results["summary"])
    columns = [s for s in SCORES if s != "official_f1" or official]
    table.add_column("arm")
    if several:
        table.add_column("classifier")
    for name in columns:
        table.add_column(name.replace("_f1", "-F1"), justify="right")
    for row in results["summary"]:
        cells = [_percent(row["mean"][name], row["std"][name]) for name in columns]
        table.add_row(row["arm"], *([row["classifier"]] if several else []), *cells)
    Console().print(table)
    for row in results["against_human"]:
        name = f"{row['arm']} · {row['classifier']}" if several else row["arm"]
        said = f"{name} - human: {_signed(row)}"
        if row["low"] is not None:
            said += f" (95% interval of {row['n_seeds']} paired seeds: {_ends(row)})"
        if (voted := row["ensemble"]) is not None:
            ends = "" if voted["low"] is None else f" ({_ends(voted)})"
            said += f"; both as ensembles of their initialisations: {_signed(voted)}{ends}"
        print(said)


def _signed(row: Mapping[str, float]) -> str:
    return f"{100 * row['mean']:+.1f}"


def _ends(row: Mapping[str, float]) -> str:
    return f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}"


def _percent(value: float | None, spread: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f}" + (f" ± {100 * spread:.1f}" if spread is not None else "")


def _arm(
    stages: ArmStages, out: Path, schema: RelationSchema, gold: Mapping[str, str]
) -> dict[str, Any]:
    tests = [each.test.folder for each in stages.initialisations]
    scores = [read_json(folder / "scores.json") for folder in tests]
    diversity = stages.diversity and read_json(stages.diversity.folder / "diversity.json")
    return {
        "arm": stages.arm,
        "seed": stages.seed,
        "classifier": Path(stages.classifier).stem,
        "train_samples": _train_samples(stages),
        **{name: mean([of[name] for of in scores]) for name in SCORES},
        "initialisations": [
            {"seed": each.seed, **{name: of[name] for name in SCORES}}
            for each, of in zip(stages.initialisations, scores, strict=True)
        ],
        "ensemble_micro_f1": _ensemble(tests, schema, gold) if len(tests) > 1 else None,
        "diversity": diversity and {name: diversity["overall"][name] for name in _DIVERSITY},
        "generation": _generation(stages) if stages.generate else None,
        "labelling": _labelling(stages),
        "predictions": _place(tests[0] / "predictions.jsonl", out),
    }


def _ensemble(tests: Sequence[Path], schema: RelationSchema, gold: Mapping[str, str]) -> float:
    """micro-F1 of the initialisations' mean probabilities."""
    from relgen.evaluation import score_labels

    totals = {name: [0.0] * len(schema) for name in gold}
    for folder in tests:
        for line in read_lines(folder / "predictions.jsonl"):
            row = json.loads(line)
            total = totals[row["id"]]
            for place, label in enumerate(schema.labels):
                total[place] += row["scores"][label]
    voted = [schema.labels[total.index(max(total))] for total in totals.values()]
    return score_labels(voted, list(gold.values()), schema).micro_f1


def _corpus_name(experiment: Experiment, plan: Plan) -> str:
    """A shipped corpus's name, or what the user's schema calls itself."""
    if isinstance(experiment.corpus, str):
        return experiment.corpus
    return load_schema(plan.schema).name


def _train_samples(stages: ArmStages) -> int:
    count = 0
    if parse_arm(stages.arm).mix in ("human", "mix"):
        count += _lines(stages.split.folder / "train.jsonl")
    if stages.collect is not None:
        count += _lines(stages.collect.folder / "train.jsonl")
    return count


def _generation(stages: ArmStages) -> dict[str, Any]:
    parts = [read_json(stage.folder / "generation.json") for stage in stages.generate]
    rejected: dict[str, int] = {}
    for part in parts:
        for reason, number in part["rejected"].items():
            rejected[reason] = rejected.get(reason, 0) + number
    return {
        "accepted": sum(part["accepted"] for part in parts),
        "rejected": dict(sorted(rejected.items())),
        "seconds": round(sum(part["seconds"] for part in parts), 2),
        "tokens": sum(part["tokens"] for part in parts),
    }


def _labelling(stages: ArmStages) -> dict[str, Any] | None:
    """How many samples are most probably what they were written for, and how far to trust that."""
    if stages.label is None:
        return None
    summary = read_json(stages.label.folder / "labelled.json")
    return {name: summary[name] for name in ("samples", "agreed", "train_micro_f1", "relations")}


def _arm_files(stages: ArmStages, out: Path) -> ArmFiles:
    def place(stage: Stage, name: str) -> str:
        return _place(stage.folder / name, out)

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
        "rejected": [place(stage, "rejected.jsonl") for stage in stages.generate],
        "generation": [place(stage, "generation.json") for stage in stages.generate],
        "dpo_history": {
            stage.name.rpartition("-")[2]: place(stage, "history.jsonl") for stage in stages.dpo
        },
    }
    if stages.diversity is not None:
        files["diversity"] = place(stages.diversity, "diversity.json")
    if stages.label is not None:
        files["labelled"] = place(stages.label, "labelled.jsonl")
    return files


def _place(path: Path, out: Path) -> str:
    """Relative to the run's folder: a run can be moved. Stages of a grid lie beside its cells."""
    return Path(os.path.relpath(path, out)).as_posix()


def _stage_data(stage: Stage) -> StageData:
    record = read_json(stage.record)
    started = datetime.fromisoformat(record["started"]).timestamp()
    return {
        "name": stage.name,
        "command": f"relgen {shlex.join(stage.command)}",
        "started": started,
        "finished": started + record["seconds"],
    }


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "relgen": __version__} | {
        name: importlib.metadata.version(name) for name in _PACKAGES
    }


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"CPU, {torch.get_num_threads()} threads"


def _lines(path: Path) -> int:
    return sum(1 for line in read_lines(path) if line.strip())
