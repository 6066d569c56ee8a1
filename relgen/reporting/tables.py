"""The report's tables, as rows of texts that both the page and the Markdown print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from relgen.evaluation import deviation, mean
from relgen.reporting.data import ArmRun, Run
from relgen.reporting.naming import describe, generation_of, is_part

SCORES = {
    "micro_f1": "Micro-F1",
    "macro_f1": "Macro-F1",
    "official_f1": "Official F1",
    "precision": "Precision",
    "recall": "Recall",
}
DIVERSITY: dict[str, tuple[str, Literal["low", "high"]]] = {
    "cosine": ("Cosine\N{NO-BREAK SPACE}↓", "low"),
    "cosine_masked": ("Cosine, masked\N{NO-BREAK SPACE}↓", "low"),
    "distinct_1": ("Distinct 1\N{NO-BREAK SPACE}↑", "high"),
    "distinct_2": ("Distinct 2\N{NO-BREAK SPACE}↑", "high"),
    "distinct_3": ("Distinct 3\N{NO-BREAK SPACE}↑", "high"),
    "self_bleu": ("Self-BLEU\N{NO-BREAK SPACE}↓", "low"),
    "vendi": ("Vendi\N{NO-BREAK SPACE}↑", "high"),
    "word_repetition": ("Repeated words\N{NO-BREAK SPACE}↓", "low"),
    "phrasings": ("Phrasings\N{NO-BREAK SPACE}↑", "high"),
}
MISSING = "–"


@dataclass(frozen=True)
class Cell:
    """A text, a smaller one behind it (a deviation), and whether it is the best of its kind."""

    text: str
    note: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A row's name, a plainer one under it, and its cells."""

    name: str
    cells: list[Cell]
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """A heading a column, the first one for the rows' names."""

    columns: list[str]
    rows: list[Row]


def percent(value: float | None) -> str:
    """A fraction in per cent with one decimal."""
    return MISSING if value is None else f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of fractions in points, with its sign: `+1.5`, `-20.2`; nothing is `0.0`."""
    shown = f"{100 * value:+.1f}"
    return "0.0" if shown == "-0.0" else shown


def arm_table(run: Run) -> Table:
    """Scores by arm (and classifier, where there are several), mean and deviation over seeds."""
    groups = _groups(run)
    several = len(run.classifiers) > 1
    shown = [name for name in SCORES if any(arm.figures.get(name) is not None for arm in run.arms)]
    columns = [
        [[arm.figures.get(name) for arm in group] for group in groups.values()] for name in shown
    ]
    marked = [
        mark_best([(percent(mean(v)), _spread(v)) for v in column], "high") for column in columns
    ]
    rows = []
    for place, ((arm, classifier), group) in enumerate(groups.items()):
        trained_on = mean([one.figures.get("train_samples") for one in group])
        samples = Cell(MISSING if trained_on is None else f"{trained_on:,.0f}")
        cells = [column[place] for column in marked]
        name = f"{arm} · {classifier}" if several else arm
        rows.append(Row(name, [*cells, samples, Cell(str(len(group)))], describe(arm)))
    return Table(["Arm", *(SCORES[name] for name in shown), "Train samples", "Seeds"], rows)


def relation_f1(run: Run, classifier: str) -> dict[str, dict[str, float | None]]:
    """{relation: {arm: F1}}, means over seeds and initialisations, of one classifier."""
    found: dict[str, dict[str, list[float]]] = {}
    for label in run.data.get("labels", []):
        found[label] = {}
    for arm in run.arms:
        if arm.classifier != classifier and arm.arm != "direct":
            continue
        for scores in run.jsons(arm.files.get("scores")):
            for label, of in scores.get("per_relation", {}).items():
                found.setdefault(label, {}).setdefault(arm.arm, []).append(of["f1"])
    return {
        label: {name: mean(by_arm.get(name, [])) for name in run.arm_names}
        for label, by_arm in found.items()
        if by_arm
    }


def relation_table(run: Run, f1: dict[str, dict[str, float | None]]) -> Table:
    """F1 by relation and arm; the best arm of each relation is marked."""
    arms = [name for name in run.arm_names if any(of[name] is not None for of in f1.values())]
    negative = run.data.get("negative")
    rows = [
        Row(
            label,
            mark_best([(percent(of[name]), "") for name in arms], "high"),
            "negative label: outside micro-F1" if label == negative else "",
        )
        for label, of in f1.items()
    ]
    return Table(["Relation", *arms], rows)


def diversity_sets(run: Run) -> dict[str, list[dict[str, Any]]]:
    """{set: its diversity.json of each seed}: `human` first, then each way of generating.

    Arms that share a file count it once. Without the file, the overall figures of `results.json`
    stand in.
    """
    seen: set[tuple[str, int]] = set()
    found: dict[str, list[dict[str, Any]]] = {}
    for arm in run.arms:
        name = generation_of(arm.arm) or "human"
        if arm.arm == "direct" or (name, arm.seed) in seen:
            continue
        content = run.json(arm.files.get("diversity"))
        if content is None and arm.figures.get("diversity"):
            content = {"overall": arm.figures["diversity"]}
        if content:
            seen.add((name, arm.seed))
            found.setdefault(name, []).append(content)
    return dict(sorted(found.items(), key=lambda item: item[0] != "human"))


def diversity_table(sets: dict[str, list[dict[str, Any]]]) -> Table:
    """Diversity by set, means over seeds; the best is marked where all sets are of one size."""
    sizes = [mean([of.get("size") for of in seeds]) for seeds in sets.values()]
    # an average over relations of other sizes is not comparable, even where the largest agree
    shapes = [[of.get("sizes") for of in seeds] for seeds in sets.values()]
    comparable = None not in sizes and len(set(sizes)) == 1 and all(s == shapes[0] for s in shapes)
    shown = [
        name
        for name in DIVERSITY
        if any(of["overall"].get(name) is not None for seeds in sets.values() for of in seeds)
    ]
    columns = []
    for name in shown:
        means = [mean([of["overall"].get(name) for of in seeds]) for seeds in sets.values()]
        decimals = 1 if name == "vendi" else 3
        texts = [MISSING if value is None else f"{value:.{decimals}f}" for value in means]
        marked = mark_best([(text, "") for text in texts], DIVERSITY[name][1])
        columns.append(marked if comparable else [Cell(text) for text in texts])
    rows = []
    for place, (name, size) in enumerate(zip(sets, sizes, strict=True)):
        cells = [Cell(MISSING if size is None else f"{size:.0f}")]
        rows.append(Row(name, cells + [column[place] for column in columns], describe(name)))
    return Table(["Set", "n", *(DIVERSITY[name][0] for name in shown)], rows)


def generation_table(run: Run) -> Table | None:
    """Drafts by way of generating: accepted, the rejected by reason, time. Sums over seeds."""
    totals: dict[str, dict[str, float]] = {}
    reasons: dict[str, int] = {}
    seen: set[tuple[str, int]] = set()
    for arm in run.arms:
        name = generation_of(arm.arm)
        generation = arm.figures.get("generation")
        if name is None or not generation or (name, arm.seed) in seen or is_part(arm.arm):
            continue
        seen.add((name, arm.seed))
        total = totals.setdefault(name, {})
        for key in ("accepted", "seconds", "tokens"):
            total[key] = total.get(key, 0) + (generation.get(key) or 0)
        for reason, number in (generation.get("rejected") or {}).items():
            total[f"reason {reason}"] = total.get(f"reason {reason}", 0) + number
            reasons[reason] = reasons.get(reason, 0) + number
    if not totals:
        return None
    ordered = sorted(reasons, key=lambda reason: (-reasons[reason], reason))
    rejected = {name: sum(of.get(f"reason {r}", 0) for r in ordered) for name, of in totals.items()}
    rows = [Row("accepted", [Cell(f"{of['accepted']:,.0f}") for of in totals.values()])]
    rows.append(Row("rejected", [Cell(f"{number:,.0f}") for number in rejected.values()]))
    shares = [
        of["accepted"] / drafts if (drafts := of["accepted"] + rejected[name]) else None
        for name, of in totals.items()
    ]
    rows.append(Row("accepted, % of drafts", [Cell(percent(share)) for share in shares]))
    rows += [
        Row(f"rejected: {r}", [Cell(f"{of.get(f'reason {r}', 0):,.0f}") for of in totals.values()])
        for r in ordered
    ]
    rows.append(Row("seconds", [Cell(f"{of['seconds']:,.0f}") for of in totals.values()]))
    rows.append(Row("tokens written", [Cell(f"{of['tokens']:,.0f}") for of in totals.values()]))
    return Table(["Drafts", *totals], rows)


def labelling_table(run: Run) -> Table | None:
    """How many sentences were written for each relation, and how many are read as it, by set.

    Sums over seeds; None where nothing was labelled anew.
    """
    totals: dict[str, dict[str, Counter[str]]] = {}
    seen: set[tuple[str, int]] = set()
    for arm in run.arms:
        name = generation_of(arm.arm)
        relations = (arm.figures.get("labelling") or {}).get("relations")
        if name is None or not relations or (name, arm.seed) in seen or is_part(arm.arm):
            continue
        seen.add((name, arm.seed))
        for relation, counts in relations.items():
            totals.setdefault(relation, {}).setdefault(name, Counter()).update(counts)
    if not totals:
        return None
    names = list(dict.fromkeys(name for of in totals.values() for name in of))
    rows = []
    for relation, of in totals.items():
        cells = []
        for name in names:
            counts = of.get(name, Counter[str]())
            cells.append(
                Cell(
                    f"{counts['intended']} → {counts['labelled']}",
                    f"({counts['agreed']} of both)",
                )
            )
        rows.append(Row(relation, cells))
    return Table(["Relation", *names], rows)


def mark_best(cells: Sequence[tuple[str, str]], direction: Literal["low", "high"]) -> list[Cell]:
    """Marks the best of texts that are numbers, as they are shown: ties are all best.

    Args:
        cells: text and note of each.
        direction: whether low or high is good.
    """
    known = [float(text) for text, _ in cells if text != MISSING]
    best = (max if direction == "high" else min)(known) if len(known) > 1 else None
    return [
        Cell(text, note, best is not None and text != MISSING and float(text) == best)
        for text, note in cells
    ]


def _groups(run: Run) -> dict[tuple[str, str], list[ArmRun]]:
    groups: dict[tuple[str, str], list[ArmRun]] = {}
    for arm in run.arms:
        groups.setdefault((arm.arm, arm.classifier), []).append(arm)
    return groups


def _spread(values: Sequence[float | None]) -> str:
    spread = deviation(values)
    return "" if spread is None else f"± {100 * spread:.1f}"
