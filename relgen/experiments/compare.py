"""Summarises the arms of a run, and compares them in pairs, with confidence intervals."""

from __future__ import annotations

import functools
import itertools
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from relgen.common import decode_json, read_lines
from relgen.evaluation import deviation, mean, paired_interval
from relgen.experiments.arms import UNTRAINED, as_method, without_review, without_tuning
from relgen.experiments.stages import Plan

if TYPE_CHECKING:
    import numpy as np

SCORES = ("micro_f1", "macro_f1", "official_f1", "precision", "recall")


def summarise(arms: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the mean and the deviation of each score over seeds, by arm and classifier.

    The deviation is the sample standard deviation (n - 1); None for a single seed.
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


COMPARISONS: dict[str, Callable[[str], str | None]] = {
    "against_human": lambda name: None if name == "human" else "human",
    "against_no_dpo": without_tuning,
    "against_method": as_method,
    "against_unreviewed": without_review,
}
"""Functions that return the arm to compare an arm with, by the comparison's key in results.json."""


def compare(
    arms: Sequence[dict[str, Any]], plan: Plan, negative: str | None, gold: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of `compared` for each of `COMPARISONS`, with both intervals.

    Their key `bootstrap` has the bounds of the 95% interval over test sentences and seeds. `arms`
    are the rows of `results.json`; `gold` has the relation of each test sentence by its id.
    """
    from relgen.evaluation import outcomes, paired_bootstrap

    stages = {(a.arm, a.classifier, a.seed): a for a in plan.arms}

    @functools.cache
    def right(arm: str, classifier: str, seed: int) -> list[np.ndarray]:
        found = []
        own = arm if arm in UNTRAINED else classifier
        for each in stages[arm, own, seed].initialisations:
            lines = read_lines(each.test.folder / "predictions.jsonl")
            predicted = {row["id"]: row["relation"] for row in map(decode_json, lines)}
            found.append(outcomes(predicted, gold, negative))
        return found

    results = {key: compared(arms, other) for key, other in COMPARISONS.items()}
    for row in itertools.chain.from_iterable(results.values()):
        ours, theirs = (
            [right(arm, row["classifier"], seed) for seed in row["seeds"]]
            for arm in (row["arm"], row["than"])
        )
        interval = paired_bootstrap(ours, theirs)
        row["bootstrap"] = {"low": interval.low, "high": interval.high}
    return results


def compared(
    arms: Sequence[dict[str, Any]], other: Callable[[str], str | None]
) -> list[dict[str, Any]]:
    """Return the difference in micro-F1 of each arm from another one, for every classifier.

    Arms of `UNTRAINED`, which have no classifier, are compared with each.

    `other` returns the name of the arm to compare an arm with, or None.

    Returns:
        Rows with the keys `arm`, `than` (the other arm), `classifier`, `seeds`, `n_seeds`, `mean`,
        and `low` and `high`, the bounds of the 95% interval over seeds (None for a single seed).
        `ensemble` has `mean`, `low` and `high` of the difference between ensembles of the
        initialisations; None if there is only one initialisation.
    """
    trained = dict.fromkeys(arm["classifier"] for arm in arms if arm["arm"] not in UNTRAINED)
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for arm in arms:
        for classifier in trained if arm["arm"] in UNTRAINED else (arm["classifier"],):
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
