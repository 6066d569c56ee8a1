"""Summarises the arms of a run, and compares them by paired differences with intervals."""

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
from relgen.experiments.stages import Plan

if TYPE_CHECKING:
    import numpy as np

SCORES = ("micro_f1", "macro_f1", "official_f1", "precision", "recall")


def summarise(arms: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mean and standard deviation over seeds, for every pair of arm and classifier.

    The deviation is the sample's (n - 1); None for a single seed.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for arm in arms:
        groups.setdefault((arm["arm"], arm["classifier"]), []).append(arm)
    rows = []
    for (arm_name, classifier), group in groups.items():
        columns = {score: [arm[score] for arm in group] for score in SCORES}
        rows.append(
            {
                "arm": arm_name,
                "classifier": classifier,
                "n_seeds": len(group),
                "mean": {score: mean(values) for score, values in columns.items()},
                "std": {score: deviation(values) for score, values in columns.items()},
            }
        )
    return rows


class Comparison:
    """Paired differences between the arms of a run, in micro-F1.

    Each method returns rows with the keys `arm`, `than` (the other arm), `classifier`, `seeds`,
    `n_seeds`, `mean`, and `low` and `high`, the ends of the 95% interval over seeds
    (`relgen.evaluation.paired_interval`; None for a single seed). `bootstrap` has the ends of the
    interval over sentences and seeds. `ensemble` has `mean`, `low` and `high` for ensembles of the
    initialisations on both sides; None where there is only one initialisation.

    Args:
        arms: the rows of `results.json`.
        plan: has the folders with their predictions.
        schema: of the corpus.
        gold: relation of each test sentence, by its id.
    """

    def __init__(
        self,
        arms: Sequence[dict[str, Any]],
        plan: Plan,
        schema: RelationSchema,
        gold: Mapping[str, str],
    ) -> None:
        self._arms = arms
        self._stages = {(a.arm, Path(a.classifier).stem, a.seed): a for a in plan.arms}
        self._negative = schema.negative
        self._gold = gold
        self._read: dict[tuple[str, str, int], list[np.ndarray]] = {}

    def against_human(self) -> list[dict[str, Any]]:
        """Compare each arm with `human`; `direct`, which has no classifier, in each of them."""
        return self._rows(lambda name: None if name == "human" else "human")

    def against_no_dpo(self) -> list[dict[str, Any]]:
        """Compare each arm with DPO with the arm that differs only in having none."""
        return self._rows(without_tuning)

    def against_method(self) -> list[dict[str, Any]]:
        """Compare each arm that uses generated samples with `obo_dpo` in the same mix."""
        return self._rows(as_method)

    def _rows(self, other: Callable[[str], str | None]) -> list[dict[str, Any]]:
        from relgen.evaluation import paired_bootstrap

        rows = compared(self._arms, other)
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
            for each in self._stages[key].initialisations:
                lines = read_lines(each.test.folder / "predictions.jsonl")
                said = {row["id"]: row["relation"] for row in map(json.loads, lines)}
                self._read[key].append(outcomes(said, self._gold, self._negative))
        return self._read[key]


def compared(
    arms: Sequence[dict[str, Any]], other: Callable[[str], str | None]
) -> list[dict[str, Any]]:
    """Return the differences of arms from the arm that `other` names, for every classifier.

    See `Comparison` for the rows, which lack `bootstrap` here.
    """
    trained = dict.fromkeys(arm["classifier"] for arm in arms if arm["arm"] != "direct")
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for arm in arms:
        for classifier in trained if arm["arm"] == "direct" else (arm["classifier"],):
            found.setdefault((classifier, arm["arm"]), {})[arm["seed"]] = arm
    rows = []
    for (classifier, name), ours in found.items():
        than = other(name)
        others = found.get((classifier, than), {}) if than else {}
        seeds = sorted(ours.keys() & others.keys())
        if not seeds:
            continue
        row: dict[str, Any] = {"arm": name, "than": than, "classifier": classifier}
        row |= {"seeds": seeds, "n_seeds": len(seeds)}
        row |= _difference([(ours[seed]["micro_f1"], others[seed]["micro_f1"]) for seed in seeds])
        score = "ensemble_micro_f1"
        voted = [(ours[seed][score], others[seed][score]) for seed in seeds]
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
