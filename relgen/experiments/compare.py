"""How the arms of a run compare: means over seeds, and paired differences with their intervals."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relgen.common import read_lines
from relgen.data import RelationSchema
from relgen.evaluation import deviation, mean, paired_interval
from relgen.experiments.arms import as_method, without_tuning
from relgen.experiments.plans import Plan

if TYPE_CHECKING:
    import numpy as np

SCORES = ("micro_f1", "macro_f1", "official_f1", "precision", "recall")


def summarise(arms: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation over seeds, for every pair of arm and classifier.

    The deviation is the sample's (n - 1); None for a single seed.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for arm in arms:
        groups.setdefault((arm["arm"], arm["classifier"]), []).append(arm)
    rows = []
    for (arm_name, classifier), group in groups.items():
        row: dict[str, Any] = {
            "arm": arm_name,
            "classifier": classifier,
            "n_seeds": len(group),
            "mean": {},
            "std": {},
        }
        for score in SCORES:
            values = [arm[score] for arm in group]
            row["mean"][score] = mean(values)
            row["std"][score] = deviation(values)
        rows.append(row)
    return rows


def against_human(arms: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each arm's micro-F1 less that of `human`, paired by seed, for every classifier.

    `direct`, which trains none, is compared with `human` in each.

    Rows: `arm`, `than` (the other arm), `classifier`, `seeds`, `n_seeds`, `mean`, and `low` and
    `high`, the ends of the 95% interval over seeds
    (`relgen.evaluation.paired_interval`; None for a single seed). `ensemble` holds the
    last three for ensembles of the initialisations on both sides; None where there is only one of
    them.
    """
    return _compared(arms, lambda name: None if name == "human" else "human")


def against_no_dpo(arms: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each tuned arm's micro-F1 less that of the same way of generating without DPO.

    Rows as in `against_human`.
    """
    return _compared(arms, without_tuning)


def against_method(arms: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each other generated arm's micro-F1 less that of `obo_dpo` in the same mix.

    Rows as in `against_human`.
    """
    return _compared(arms, as_method)


def _compared(
    arms: Sequence[dict[str, Any]], other: Callable[[str], str | None]
) -> list[dict[str, Any]]:
    """Differences of arms to the arm that `other` names, for every classifier that has both."""
    trained = dict.fromkeys(arm["classifier"] for arm in arms if arm["arm"] != "direct")
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for arm in arms:
        for classifier in trained if arm["arm"] == "direct" else (arm["classifier"],):
            found.setdefault((classifier, arm["arm"]), {})[arm["seed"]] = arm
    rows = []
    for (classifier, name), of in found.items():
        than = other(name)
        others = found.get((classifier, than), {}) if than else {}
        seeds = sorted(of.keys() & others.keys())
        if not seeds:
            continue
        row: dict[str, Any] = {"arm": name, "than": than, "classifier": classifier}
        row |= {"seeds": seeds, "n_seeds": len(seeds)}
        both = [(of[seed], others[seed]) for seed in seeds]
        row |= _difference([(ours["micro_f1"], theirs["micro_f1"]) for ours, theirs in both])
        voted = [(ours["ensemble_micro_f1"], theirs["ensemble_micro_f1"]) for ours, theirs in both]
        alone = any(value is None for pair in voted for value in pair)
        rows.append(row | {"ensemble": None if alone else _difference(voted)})
    return rows


def _difference(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    differences = [ours - theirs for ours, theirs in pairs]
    interval = paired_interval(differences)
    return {
        "mean": statistics.fmean(differences),
        "low": interval and interval.low,
        "high": interval and interval.high,
    }


class Tested:
    """The predictions of a run's arms, read when they are asked for and kept."""

    def __init__(self, plan: Plan, schema: RelationSchema, gold: Mapping[str, str]) -> None:
        self._arms = {(a.arm, Path(a.classifier).stem, a.seed): a for a in plan.arms}
        self._negative = schema.negative
        self._gold = gold
        self._read: dict[tuple[str, str, int], list[np.ndarray]] = {}

    def bootstrapped(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Adds `bootstrap`, the ends of the interval over sentences and seeds, to each row."""
        from relgen.evaluation import paired_bootstrap

        for row in rows:
            ours, theirs = (
                [self._outcomes(arm, row["classifier"], seed) for seed in row["seeds"]]
                for arm in (row["arm"], row["than"])
            )
            interval = paired_bootstrap(ours, theirs)
            row["bootstrap"] = {"low": interval.low, "high": interval.high}
        return rows

    def _outcomes(self, arm: str, classifier: str, seed: int) -> list[np.ndarray]:
        from relgen.evaluation import outcomes

        key = arm, "direct" if arm == "direct" else classifier, seed
        if key not in self._read:
            self._read[key] = []
            for each in self._arms[key].initialisations:
                lines = read_lines(each.test.folder / "predictions.jsonl")
                said = {row["id"]: row["relation"] for row in map(json.loads, lines)}
                self._read[key].append(outcomes(said, self._gold, self._negative))
        return self._read[key]
