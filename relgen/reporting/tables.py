"""Builds the tables of a run, whose cells are texts for both HTML and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from relgen.evaluation import deviation, mean
from relgen.experiments import UNTRAINED
from relgen.labelling import LEFT_OUT
from relgen.reporting.data import Run, describe_arm, is_part

SCORE_TITLES = {
    "micro_f1": "Micro-F1",
    "macro_f1": "Macro-F1",
    "official_f1": "Official F1",
    "precision": "Precision",
    "recall": "Recall",
}
MISSING = "–"


class TableCell(NamedTuple):
    """A text, a smaller note after it (such as a deviation), and a mark for the best value."""

    text: str
    note: str = ""
    best: bool = False


class TableRow(NamedTuple):
    """A row's name, its cells, and an explanation below the name."""

    name: str
    cells: list[TableCell]
    hint: str = ""


class ReportTable(NamedTuple):
    """Column headings, the first of them above the rows' names, and rows."""

    columns: list[str]
    rows: list[TableRow]

    @classmethod
    def by_columns(
        cls,
        heading: str,
        names: Sequence[tuple[str, str]],
        columns: Mapping[str, Sequence[TableCell]],
    ) -> ReportTable:
        """Return a table of columns, with a name and an explanation for each row."""
        cells = zip(*columns.values(), strict=True)
        rows = [
            TableRow(name, list(own), hint) for (name, hint), own in zip(names, cells, strict=True)
        ]
        return cls([heading, *columns], rows)


def percent(value: float | None) -> str:
    """Format a fraction as a percentage with one decimal, without a sign."""
    return MISSING if value is None else f"{100 * value:z.1f}"


def decimals(value: float | None, number: int = 3) -> str:
    """Format a value with a number of decimals."""
    return MISSING if value is None else f"{value:z.{number}f}"


def points(value: float) -> str:
    """Format a difference of fractions in points with its sign: `+1.5`, `-20.2`, `0.0`."""
    shown = f"{100 * value:+z.1f}"
    return "0.0" if shown == "+0.0" else shown


def mean_score(run: Run, arm: str, classifier: str, name: str = "micro_f1") -> TableCell:
    """Return the mean of a score over seeds, with the standard deviation as its note."""
    values = list(run.by_seed(arm, classifier, name).values())
    spread = deviation(values)
    return TableCell(percent(mean(values)), "" if spread is None else f"± {100 * spread:.1f}")


def arm_table(run: Run) -> ReportTable:
    """Return mean scores over seeds by arm, and by classifier if there are several."""
    groups = Counter((arm.arm, arm.classifier) for arm in run.arms)
    columns = {
        heading: mark_best([mean_score(run, *pair, name) for pair in groups])
        for name, heading in SCORE_TITLES.items()
        if any(arm.figures.get(name) is not None for arm in run.arms)
    }
    trained_on = [mean(list(run.by_seed(*pair, "train_samples").values())) for pair in groups]
    columns["Train samples"] = [
        TableCell(MISSING if n is None else f"{n:,.0f}") for n in trained_on
    ]
    columns["Seeds"] = [TableCell(str(seeds)) for seeds in groups.values()]
    several = len(run.classifiers) > 1
    names = [(" · ".join(pair) if several else pair[0], describe_arm(pair[0])) for pair in groups]
    return ReportTable.by_columns("Arm", names, columns)


def relation_f1(run: Run, classifier: str) -> dict[str, dict[str, float | None]]:
    """Return {relation: {arm: F1}} of a classifier, as means over seeds and initialisations."""
    found: dict[str, dict[str, list[float]]] = {label: {} for label in run.data.get("labels", [])}
    for arm in run.arms:
        if arm.classifier != classifier and arm.arm not in UNTRAINED:
            continue
        for scores in run.jsons(*arm.files.get("scores", [])):
            for label, of in scores.get("per_relation", {}).items():
                found.setdefault(label, {}).setdefault(arm.arm, []).append(of["f1"])
    return {
        label: {name: mean(by_arm.get(name, [])) for name in run.arm_names}
        for label, by_arm in found.items()
        if by_arm
    }


def relation_table(run: Run, f1: dict[str, dict[str, float | None]]) -> ReportTable:
    """Return shots, test samples and F1 by relation and arm; the best arm of each is marked."""
    arms = [name for name in run.arm_names if any(of[name] is not None for of in f1.values())]
    fewer = run.results.get("fewer_shots") or {}
    numbers = {
        "Shots": {label: fewer.get(label, run.shots) for label in f1 if run.shots},
        "Test samples": run.tested,
    }
    known = {title: of for title, of in numbers.items() if of}
    negative = run.data.get("negative")
    rows = []
    for label, of in f1.items():
        hint = "negative label: not in micro-F1" if label == negative else ""
        cells = [TableCell(f"{counts.get(label, 0):,}") for counts in known.values()]
        cells += mark_best([TableCell(percent(of[name])) for name in arms])
        rows.append(TableRow(label, cells, hint))
    return ReportTable(["Relation", *known, *arms], rows)


def generation_table(run: Run) -> ReportTable | None:
    """Return, by set, sums over seeds of drafts accepted and rejected, seconds and tokens."""
    totals: dict[str, Counter[str]] = {}
    for name, arm in run.sets():
        if (generation := arm.figures.get("generation")) and not is_part(name):
            rejected = Counter(generation.get("rejected") or {})
            total = totals.setdefault(name, Counter())
            total.update({f"rejected: {reason}": n for reason, n in rejected.items()})
            total["rejected"] += rejected.total()
            for key in ("accepted", "seconds", "tokens"):
                total[key] += generation.get(key) or 0
    if not totals:
        return None
    sums = sum(totals.values(), Counter[str]())
    reasons = sorted((name for name in sums if ": " in name), key=lambda name: (-sums[name], name))
    rows = [
        TableRow(
            "tokens written" if name == "tokens" else name,
            [TableCell(f"{total[name]:,.0f}") for total in totals.values()],
        )
        for name in ("accepted", "rejected", *reasons, "seconds", "tokens")
    ]
    drafts = [(of["accepted"], of["accepted"] + of["rejected"]) for of in totals.values()]
    shares = [TableCell(percent(accepted / all_ if all_ else None)) for accepted, all_ in drafts]
    rows.insert(2, TableRow("accepted, % of drafts", shares))
    return ReportTable(["Drafts", *totals], rows)


def labelling_table(run: Run) -> ReportTable | None:
    """Return, by set and relation, numbers of sentences asked for and labelled so, over all seeds.

    None if nothing was relabelled.
    """
    totals: dict[str, dict[str, Counter[str]]] = {}
    for name, arm in run.sets():
        labelling = None if is_part(name) else arm.figures.get("labelling")
        for relation, counts in ((labelling or {}).get("relations") or {}).items():
            totals.setdefault(relation, {}).setdefault(name, Counter()).update(counts)
    if not totals:
        return None
    names = list(dict.fromkeys(name for of in totals.values() for name in of))

    def cell(of: Counter[str]) -> TableCell:
        return TableCell(f"{of['intended']} → {of['labelled']}", f"({of['agreed']} of both)")

    rows = [
        TableRow(relation, [cell(of.get(name, Counter())) for name in names])
        for relation, of in totals.items()
    ]
    return ReportTable(["Relation", *names], rows)


def unlabelled_table(run: Run) -> ReportTable | None:
    """Return how many unlabelled sentences are trained on, and how many are left out, by reason.

    Numbers are sums over seeds; None without unlabelled sentences.
    """
    found = {a.seed: of for a in run.arms if (of := a.figures.get("unlabelled"))}
    if not found:
        return None
    total = sum((Counter(of["left_out"]) for of in found.values()), Counter[str]())
    total["uncertain"] = sum(of["uncertain"] for of in found.values())
    kept = sum(of["samples"] for of in found.values())
    reasons = {f"left out: {said}": total[why] for why, said in LEFT_OUT.items() if total[why]}
    labels = Counter[str]()
    for of in found.values():
        labels.update({label: counts["labelled"] for label, counts in of["relations"].items()})
    read = {f"read as {label}": number for label, number in labels.items()}
    rows = {"in the file": kept + total.total(), **reasons, "trained on": kept, **read}
    return ReportTable(
        ["Sentences", "Number"], [TableRow(name, [TableCell(f"{n:,}")]) for name, n in rows.items()]
    )


def mark_best(cells: Sequence[TableCell], *, lowest: bool = False) -> list[TableCell]:
    """Mark the highest (or `lowest`) number, or all that tie, if there are several numbers."""
    known = [float(cell.text) for cell in cells if cell.text != MISSING]
    best = (min if lowest else max)(known) if len(known) > 1 else None
    return [cell._replace(best=cell.text != MISSING and float(cell.text) == best) for cell in cells]
