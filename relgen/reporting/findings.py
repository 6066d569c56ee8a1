"""Words the report's headline, and collects the facts for its summary."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relgen.evaluation import paired_interval, sign_flip_p
from relgen.reporting.data import Run
from relgen.reporting.naming import describe, generation_of, is_part
from relgen.reporting.tables import percent, points

_LEVEL = 0.05


@dataclass(frozen=True)
class Headline:
    """The main finding in a line, and its details in a few sentences."""

    title: str
    detail: str


def compared_arm(arms: Sequence[str]) -> str | None:
    """Return the arm that the headline compares with `human`, whatever the scores.

    It is `obo_dpo_mix`, else the first mix, else the first arm that trains on generated samples.
    """
    if "obo_dpo_mix" in arms:
        return "obo_dpo_mix"
    generated = [arm for arm in arms if generation_of(arm)]
    mixes = [arm for arm in generated if arm.endswith("_mix")]
    return next(iter([*mixes, *generated]), None)


def headline(run: Run) -> Headline:
    """Return "Mix X.X vs. human Y.Y micro-F1", and the difference with its significance."""
    classifier = next(iter(run.classifiers), "")
    scores = _by_seed(run, classifier, "micro_f1")
    with_classifier = f" Classifier: {classifier}." if len(run.classifiers) > 1 else ""
    arm_name = compared_arm(list(scores))
    human_scores, our_scores = scores.get("human", {}), scores.get(arm_name or "", {})
    seeds = sorted(our_scores.keys() & human_scores.keys())
    if arm_name is None or not seeds:
        parts = [f"{name} {percent(statistics.fmean(of.values()))}" for name, of in scores.items()]
        title = f"{', '.join(parts) or 'No'} micro-F1"
        reason = (
            "Nothing to compare: no seed has both an arm trained on human samples alone and one "
        )
        return Headline(title, f"{reason}that uses generated ones.{with_classifier}")
    ours = statistics.fmean(our_scores[seed] for seed in seeds)
    human = statistics.fmean(human_scores[seed] for seed in seeds)
    kind = "Mix" if arm_name.endswith("_mix") else "Generated only"
    title = f"{kind} {percent(ours)} vs. human {percent(human)} micro-F1"
    verb = "Adding" if kind == "Mix" else "Training only on"
    differences = [our_scores[seed] - human_scores[seed] for seed in seeds]
    how = describe(generation_of(arm_name) or arm_name)
    parts = [f"{verb} generated samples ({how}) {_change(statistics.fmean(differences))}."]
    parts.append(_worth(differences))
    voted = _by_seed(run, classifier, "ensemble_micro_f1")
    ours_voted, human_voted = voted.get(arm_name, {}), voted.get("human", {})
    if seeds_voted := sorted(ours_voted.keys() & human_voted.keys()):
        parts.append(_ensembles([ours_voted[seed] - human_voted[seed] for seed in seeds_voted]))
    return Headline(title, " ".join(parts) + with_classifier)


def _by_seed(run: Run, classifier: str, score: str) -> dict[str, dict[int, float]]:
    """Return the known scores of a classifier by arm and seed."""
    scores: dict[str, dict[int, float]] = {}
    for arm in run.arms:
        if arm.classifier == classifier and arm.figures.get(score) is not None:
            scores.setdefault(arm.arm, {})[arm.seed] = arm.figures[score]
    return scores


def what_was_done(run: Run) -> dict[str, Any]:
    """Return corpus, generator and classifiers, for the summary in `notes.j2`."""
    generator = run.settings.get("generator")
    settings = generator if isinstance(generator, dict) else {}
    whole = [arm for arm in run.arm_names if not is_part(arm)]
    ways = dict.fromkeys(generation_of(arm) for arm in whole or run.arm_names)
    scores = (one for arm in run.arms for one in run.jsons(arm.files.get("scores")))
    confusion: list[list[int]] = next(
        (one["confusion"] for one in scores if one.get("confusion")), []
    )
    return {
        "corpus": run.corpus,
        "shots": run.shots,
        "relations": len(run.data.get("labels", [])),
        "seeds": len({arm.seed for arm in run.arms}),
        "model": settings.get("model"),
        "samples": settings.get("samples"),
        "ways": [describe(way) for way in ways if way],
        "classifiers": run.classifiers,
        "tested": sum(map(sum, confusion)),
    }


def _change(difference: float) -> str:
    size = f"{100 * abs(difference):.1f}"
    if size == "0.0":
        return "made no difference to micro-F1"
    unit = "point" if size == "1.0" else "points"
    return f"{'gained' if difference > 0 else 'cost'} {size} {unit} of micro-F1"


def _ensembles(differences: Sequence[float]) -> str:
    """Compare ensembles of the initialisations, since averaging alone improves scores too."""
    mean = points(statistics.fmean(differences))
    said = f"Between ensembles of the initialisations the difference is {mean} points"
    if (interval := paired_interval(differences)) is None:
        return f"{said}."
    return f"{said} (95% interval: {points(interval.low)} to {points(interval.high)})."


def _worth(differences: Sequence[float]) -> str:
    if len(differences) == 1:
        return "This is one seed, which cannot show significance."
    ahead = sum(difference > 0 for difference in differences)
    count = len(differences)
    said = f"It was ahead of human samples alone in {ahead} of {count} seeds"
    if (interval := paired_interval(differences)) is not None:
        said += (
            f", and the 95% interval of the paired difference is {points(interval.low)} to "
            f"{points(interval.high)} points"
        )
    p = sign_flip_p(differences)
    if p is None:
        return f"{said}."
    test = f"exact sign-flip test over seeds: p = {p:.2g}"
    if p <= _LEVEL:
        return f"{said} ({test})."
    fewest = 2 / 2**count
    why = f"; with {count} seeds, p is at least {fewest:.2g}" if fewest > _LEVEL else ""
    return f"{said}; not significant ({test}{why})."
