"""Collects the output of finished stages in `results.json`, and prints a table of it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from relgen.common import read_json, read_lines, write_json
from relgen.data import RelationSchema, iter_samples, load_schema
from relgen.evaluation import mean
from relgen.experiments.arms import parse_arm
from relgen.experiments.compare import SCORES, compare, summarise
from relgen.experiments.config import Experiment
from relgen.experiments.stages import ArmStages, Plan

_DIVERSITY = ("cosine", "cosine_masked", "distinct_2", "self_bleu", "vendi", "word_repetition")


def write_results(experiment: Experiment, plan: Plan, out: Path) -> dict[str, Any]:
    """Write the scores of every arm to `results.json`, and return its content.

    All stages of the plan must be done.
    """
    gold = {sample.id: sample.relation for sample in iter_samples(plan.test)}
    schema = load_schema(plan.schema)
    arms = [_arm(stages, out, schema, gold) for stages in plan.arms]
    results = {
        "experiment": experiment.name,
        "corpus": experiment.corpus if isinstance(experiment.corpus, str) else schema.name,
        "shots": experiment.shots,
        "arms": arms,
        "summary": summarise(arms),
        **compare(arms, plan, schema.negative, gold),
    }
    write_json(out / "results.json", results)
    return results


def print_table(results: dict[str, Any]) -> None:
    """Print the scores of the arms in per cent, and their differences from `human`."""
    from rich.console import Console
    from rich.table import Table

    seeds = max(row["n_seeds"] for row in results["summary"])
    table = Table(title=f"{results['corpus']}, K = {results['shots']}, {seeds} seed(s), in %")
    several = len({row["classifier"] for row in results["summary"]} - {"direct"}) > 1
    official = any(row["mean"]["official_f1"] is not None for row in results["summary"])
    columns = [s for s in SCORES if s != "official_f1" or official]
    for name in ("arm", "classifier") if several else ("arm",):
        table.add_column(name)
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


def relative(path: Path, out: Path) -> str:
    """Return a path relative to a run's folder, so that the run can be moved.

    For a cell of a grid it starts with `..`: the stages are in the grid's folder.
    """
    return Path(os.path.relpath(path, out)).as_posix()


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
        "predictions": relative(tests[0] / "predictions.jsonl", out),
    }


def _ensemble(tests: Sequence[Path], schema: RelationSchema, gold: Mapping[str, str]) -> float:
    """Return the micro-F1 of the mean of the initialisations' probabilities."""
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


def _train_samples(stages: ArmStages) -> int:
    human = stages.split if parse_arm(stages.arm).mix in ("human", "mix") else None
    files = [stage.folder / "train.jsonl" for stage in (human, stages.collect) if stage]
    return sum(1 for file in files for line in read_lines(file) if line.strip())


def _generation(stages: ArmStages) -> dict[str, Any]:
    parts = [read_json(stage.folder / "generation.json") for stage in stages.generate]
    rejected = sum((Counter(part["rejected"]) for part in parts), Counter[str]())
    return {
        "accepted": sum(part["accepted"] for part in parts),
        "rejected": dict(sorted(rejected.items())),
        "seconds": round(sum(part["seconds"] for part in parts), 2),
        "tokens": sum(part["tokens"] for part in parts),
    }


def _labelling(stages: ArmStages) -> dict[str, Any] | None:
    """Return how many samples kept their intended relation, and the labelling model's own score."""
    if stages.label is None:
        return None
    summary = read_json(stages.label.folder / "labelled.json")
    return {name: summary[name] for name in ("samples", "agreed", "train_micro_f1", "relations")}
