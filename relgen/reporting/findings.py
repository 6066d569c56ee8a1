"""Writes the report's headline, and collects the facts for its summary."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from relgen.common import counted
from relgen.evaluation import mean, paired_interval, sign_flip_p
from relgen.experiments import parse_arm
from relgen.reporting.data import Run, describe_arm, generation_of, is_part
from relgen.reporting.tables import percent, points

_LEVEL = 0.05


def compared_arm(arms: Sequence[str]) -> str | None:
    """Return the arm that the headline compares with `human`, regardless of the scores.

    It is `obo_dpo_mix`, else the first mix, else the first arm that trains on generated samples.
    """
    if "obo_dpo_mix" in arms:
        return "obo_dpo_mix"
    added = [arm for arm in arms if _added(arm)]
    mixes = [arm for arm in added if parse_arm(arm).mix == "mix"]
    return next(iter([*mixes, *added]), None)


def _added(arm: str) -> str:
    """Return what an arm trains on besides human samples, in words; empty for nothing."""
    parts = ["unlabelled sentences as the LLM reads them"] if parse_arm(arm).unlabelled else []
    parts += [f"generated samples ({describe_arm(way)})"] if (way := generation_of(arm)) else []
    return " and ".join(parts)


def headline(run: Run) -> tuple[str, str]:
    """Return the main finding in a line, and its details.

    The line reads "Mix X.X vs. human Y.Y micro-F1 on N test samples".

    The details are the difference and its significance, in a few sentences.
    """
    classifier = next(iter(run.classifiers), "")
    with_classifier = f" Classifier: {classifier}." if len(run.classifiers) > 1 else ""
    scores = {name: of for name in run.arm_names if (of := run.by_seed(name, classifier))}
    tested = sum(run.tested.values())
    on = f" on {tested:,} test sample{'s' if tested > 1 else ''}" if tested else ""
    arm = compared_arm(list(scores))
    pairs = _paired(run, arm, classifier, "micro_f1") if arm else []
    if arm is None or not pairs:
        parts = [f"{name} {percent(mean(list(of.values())))}" for name, of in scores.items()]
        reason = (
            "Nothing to compare: no seed has both an arm trained on human samples alone and one "
            "that uses others."
        )
        return f"{', '.join(parts) or 'No'} micro-F1{on}", reason + with_classifier
    ours, human = (statistics.fmean(of) for of in zip(*pairs, strict=True))
    mix = parse_arm(arm).mix == "mix"
    kind, verb = ("Mix", "Adding") if mix else ("Generated only", "Training only on")
    differences = [own - other for own, other in pairs]
    parts = [f"{verb} {_added(arm)} {_change(statistics.fmean(differences))}."]
    parts.append(_worth(differences))
    if voted := _paired(run, arm, classifier, "ensemble_micro_f1"):
        parts.append(_ensembles([own - other for own, other in voted]))
    title = f"{kind} {percent(ours)} vs. human {percent(human)} micro-F1{on}"
    return title, " ".join(parts) + with_classifier


def _paired(run: Run, arm: str, classifier: str, score: str) -> list[tuple[float, float]]:
    """Return the scores of an arm and of `human`, for each seed that has both."""
    ours, human = run.by_seed(arm, classifier, score), run.by_seed("human", classifier, score)
    return [(ours[seed], human[seed]) for seed in sorted(ours.keys() & human.keys())]


def what_was_done(run: Run) -> dict[str, Any]:
    """Return the facts for the summary in `notes.j2`."""
    whole = [arm for arm in run.arm_names if not is_part(arm)]
    ways = dict.fromkeys(generation_of(arm) for arm in whole or run.arm_names)
    return {
        "run": run,
        "seeds": len({arm.seed for arm in run.arms}),
        "ways": [describe_arm(way) for way in ways if way],
        "unlabelled": any("unlabelled" in arm.files for arm in run.arms),
        "reviewed": _reviewed(run),
        "tested": sum(run.tested.values()),
    }


def _reviewed(run: Run) -> str:
    """Return what people reviewed, and what it brought, in a sentence; empty without a review."""
    if not (review := run.results.get("reviewed")):
        return ""
    kinds = ", ".join(f"{number} {kind}" for kind, number in review["decisions"].items())
    said = f"People reviewed {counted(review['sentences'], 'sentence')}"
    if review["minutes"]:  # not every annotation tool says
        said += f" in {review['minutes']} minutes"
    if review["used"] < review["sentences"]:
        kinds += f"; {review['used']} of them in this run"
    brought = [
        f"in {row['than']} it {_change(row['mean'])}"
        for row in run.results.get("against_unreviewed", [])
    ]
    return f"{said} ({kinds}): {', '.join(brought)}." if brought else f"{said} ({kinds})."


def _change(difference: float) -> str:
    size = f"{100 * abs(difference):.1f}"
    if size == "0.0":
        return "made no difference to micro-F1"
    unit = "point" if size == "1.0" else "points"
    return f"{'gained' if difference > 0 else 'cost'} {size} {unit} of micro-F1"


def _interval(differences: Sequence[float]) -> str:
    interval = paired_interval(differences)
    return "" if interval is None else f"{points(interval.low)} to {points(interval.high)}"


def _ensembles(differences: Sequence[float]) -> str:
    """Compare ensembles of the initialisations, since averaging alone improves scores too."""
    mean = points(statistics.fmean(differences))
    interval = _interval(differences)
    shown = f" (95% interval: {interval})" if interval else ""
    return f"Between ensembles of the initialisations the difference is {mean} points{shown}."


def _worth(differences: Sequence[float]) -> str:
    if len(differences) == 1:
        return "This is one seed, which cannot show significance."
    ahead = sum(difference > 0 for difference in differences)
    count = len(differences)
    said = (
        f"It was ahead of human samples alone in {ahead} of {count} seeds, and the 95% interval of "
        f"the paired difference is {_interval(differences)} points"
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
