"""Builds tables of the diversity of sets, and a chart of mean pairwise cosines by relation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relgen.evaluation import mean
from relgen.reporting.charts import Chart, dot_chart
from relgen.reporting.data import Run, describe_arm, is_part
from relgen.reporting.tables import MISSING, ReportTable, TableCell, TableRow, decimals, mark_best

DIVERSITY = {
    "cosine": "Cosine\N{NO-BREAK SPACE}↓",
    "cosine_masked": "Cosine, masked\N{NO-BREAK SPACE}↓",
    "distinct_1": "Distinct 1\N{NO-BREAK SPACE}↑",
    "distinct_2": "Distinct 2\N{NO-BREAK SPACE}↑",
    "distinct_3": "Distinct 3\N{NO-BREAK SPACE}↑",
    "self_bleu": "Self-BLEU\N{NO-BREAK SPACE}↓",
    "vendi": "Vendi\N{NO-BREAK SPACE}↑",
    "word_repetition": "Repeated words\N{NO-BREAK SPACE}↓",
    "phrasings": "Phrasings\N{NO-BREAK SPACE}↑",
}

_NAMED = 5  # relations in a line of text

Sets = Mapping[str, Sequence[Mapping[str, Any]]]
"""The contents of `diversity.json`, one per seed, by set."""


def diversity_sets(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Return the contents of `diversity.json` by set, with `human` first.

    A set that several arms share counts once. If the file does not exist, the overall figures of
    `results.json` replace it.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for name, arm in run.sets():
        contents = run.jsons(arm.files["diversity"]) if "diversity" in arm.files else []
        if not contents and arm.figures.get("diversity"):
            contents = [{"overall": arm.figures["diversity"]}]
        if contents:
            found.setdefault(name, []).extend(contents)
    return dict(sorted(found.items(), key=lambda item: item[0] != "human"))


def diversity_table(sets: Sets) -> ReportTable:
    """Return mean diversity over seeds by set; the best is marked if all sets have one size.

    `n` is the number of sentences of a relation: from the smallest to the largest of all relations
    and seeds.
    """
    shapes = [[of.get("sizes") for of in seeds] for seeds in sets.values()]
    # means over relations with different sizes are not comparable, even if the largest sizes agree
    comparable = None not in shapes[0] and all(shape == shapes[0] for shape in shapes)
    columns = {"n": [TableCell(_range(sizes_by_seed(sets, name))) for name in sets]}
    for name, heading in DIVERSITY.items():
        means = [_overall(seeds, name) for seeds in sets.values()]
        cells = [TableCell(decimals(value, 1 if name == "vendi" else 3)) for value in means]
        if any(value is not None for value in means):
            columns[heading] = mark_best(cells, lowest="↓" in heading) if comparable else cells
    return ReportTable.by_columns("Set", [(name, describe_arm(name)) for name in sets], columns)


def sizes_by_seed(sets: Sets, name: str) -> list[dict[str, int]]:
    """Return the number of sentences of every relation in each seed of a set; [] if not known."""
    known = [of["sizes"] for seeds in sets.values() for of in seeds if of.get("sizes")]
    labels = list(dict.fromkeys(label for sizes in known for label in sizes))
    own = [of["sizes"] for of in sets[name] if of.get("sizes")]
    return [{label: sizes.get(label, 0) for label in labels} for sizes in own]


def left_out(sets: Sets) -> list[str]:
    """Return the sets with relations that are in no mean of pairs, and the names of these."""
    found = []
    for name in sets:
        seeds = sizes_by_seed(sets, name)
        few = list(dict.fromkeys(x for sizes in seeds for x, number in sizes.items() if number < 2))
        if few:
            more = f" and {len(few) - _NAMED} more" if len(few) > _NAMED else ""
            found.append(f"{name} ({', '.join(few[:_NAMED])}{more})")
    return found


def cosine_chart(sets: Sets) -> Chart | None:
    """Draw the mean pairwise cosine of each relation and set (the paper's figure 5)."""
    return dot_chart("Mean pairwise cosine by relation", _cosines(sets), list(sets))


def cosine_table(sets: Sets) -> ReportTable | None:
    """Return the mean pairwise cosine by relation (rows) and set (columns)."""
    rows = [
        TableRow(label, [TableCell(decimals(of.get(name))) for name in sets])
        for label, of in _cosines(sets).items()
    ]
    known = any(cell.text != MISSING for row in rows for cell in row.cells)
    return ReportTable(["Relation", *sets], rows) if known else None


def repetition_table(runs: Mapping[str, Run]) -> ReportTable | None:
    """Return the rate of repeated words of each set (rows) in each run (columns)."""
    found = [diversity_sets(run) for run in runs.values()]
    rows = []
    for name in dict.fromkeys(name for sets in found for name in sets if not is_part(name)):
        values = [_overall(sets.get(name, []), "word_repetition") for sets in found]
        if any(value is not None for value in values):
            rows.append(
                TableRow(name, [TableCell(decimals(value)) for value in values], describe_arm(name))
            )
    return ReportTable(["Set", *runs], rows) if rows else None


def _range(seeds: Sequence[Mapping[str, int]]) -> str:
    sizes = [number for of in seeds for number in of.values()]
    if not sizes:
        return MISSING
    return str(min(sizes)) if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"


def _overall(seeds: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return mean([of["overall"].get(name) for of in seeds])


def _cosines(sets: Sets) -> dict[str, dict[str, float | None]]:
    rows: dict[str, dict[str, float | None]] = {}
    for name, seeds in sets.items():
        for label in dict.fromkeys(label for of in seeds for label in of.get("per_relation", {})):
            values = [of.get("per_relation", {}).get(label, {}).get("cosine") for of in seeds]
            rows.setdefault(label, {})[name] = mean(values)
    return rows
