"""Compares several runs: scores, differences, ablations, the paper's figures and expectations.

Each difference has two intervals from `results.json`: the paired bootstrap's over test sentences
and seeds, which is too narrow for a few seeds, and Student's over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from relgen.experiments import METHOD, UNTRAINED, parse_arm
from relgen.reporting import tables
from relgen.reporting.data import Run, describe_arm, is_part
from relgen.reporting.diversity import diversity_sets
from relgen.reporting.tables import MISSING, ReportTable, TableCell, TableRow

Runs = Mapping[str, Run]
"""Runs by their column headings."""

Against = Literal["against_human", "against_no_dpo", "against_method", "against_unreviewed"]
Difference = Mapping[str, Any]
"""A row of one of these parts of `results.json`."""

ABLATIONS = {
    "obo": "without DPO",
    "aao_dpo": "all at once instead of one by one",
    "obo_dpo_plain": "without the diversity instruction",
    "obo_dpo_no_wrong_label": "without wrong labels",
    "obo_dpo_no_near_copy": "without near copies",
    "obo_dpo_no_exact_copy": "without exact copies",
    "obo_dpo_window": "with a window of demonstrations",
}
# the other two are in the main table as well
_ONLY_ABLATIONS = ABLATIONS.keys() - {"obo", "aao_dpo"}
# the paper's names of arms, and their micro-F1 in % of KnowPrompt on RoBERTa-large, by corpus and
# K, from public summaries of the paper; reports mark them as not measured here
_PUBLISHED_ARMS = {
    "human": "human only",
    "obo_dpo_pure": "generated only (OBO + DPO)",
    "obo_dpo_mix": "mix, OBO",
    "aao_dpo_mix": "mix, AAO",
    "direct": "Direct-RE",
}
_PUBLISHED = {
    ("tacred", 8): ("22.07", "22.48", "33.48", "34.30", "21.17"),
    ("tacred", 16): ("30.00", "27.99", "34.93", "35.56"),
    ("retacred", 8): ("44.77", "34.77", "57.41", "56.01", "33.30"),
    ("semeval", 8): ("61.39", "42.02", "67.92", "70.32", "25.55"),
}

# an expectation, from the paper or common sense; the comparison that tests it; the arms whose
# differences it expects above zero (1) or below (-1)
CLAIMS: tuple[tuple[str, Against, tuple[str, ...], int], ...] = (
    ("Human and generated samples beat human ones", "against_human", (f"{METHOD}_mix",), 1),
    ("Generated samples alone beat human ones", "against_human", (f"{METHOD}_pure",), 1),
    ("DPO helps", "against_no_dpo", (f"{METHOD}_mix", f"{METHOD}_pure"), 1),
    ("One by one beats all at once", "against_method", ("aao_dpo_mix", "aao_dpo_pure"), -1),
    ("The diversity instruction helps", "against_method", (f"{METHOD}_plain_mix",), -1),
    ("A window of demonstrations hurts", "against_method", (f"{METHOD}_window_mix",), -1),
    ("The method beats Xu et al. 2023", "against_method", ("xu2023", "xu2023_mix"), -1),
)


def main_table(runs: Runs) -> ReportTable:
    """Return micro-F1 of each arm and classifier (rows) in each run (columns); no ablations."""
    shown = [pair for pair in _pairs(runs) if parse_arm(pair[0]).generation not in _ONLY_ABLATIONS]
    columns = {
        label: tables.mark_best([tables.mean_score(run, *pair) for pair in shown])
        for label, run in runs.items()
    }
    names = [(_row_name(runs, *pair), describe_arm(pair[0])) for pair in shown]
    return ReportTable.by_columns("Arm", names, columns)


def ablation_table(runs: Runs) -> ReportTable | None:
    """Return micro-F1 of the method and its ablations, with differences; None without ablations."""
    rows = []
    generations = {arm: parse_arm(arm).generation or "" for arm, _ in _pairs(runs)}
    if _ONLY_ABLATIONS.isdisjoint(generations.values()):
        return None
    for arm, classifier in _pairs(runs):
        generation = generations[arm]
        if generation not in (METHOD, *ABLATIONS) or _has_more(arm):
            continue
        cells = []
        for run in runs.values():
            cell = tables.mean_score(run, arm, classifier)
            row = None if generation == METHOD else _find(run, "against_method", arm, classifier)
            difference = " ".join(_difference(row)[:2]) if row else ""
            cells.append(cell._replace(note="; ".join(filter(None, (cell.note, difference)))))
        hint = ABLATIONS.get(generation, "the method")
        rows.append(TableRow(_row_name(runs, arm, classifier), cells, hint))
    return ReportTable(["Ablation", *runs], rows)


def _has_more(arm: str) -> bool:
    parsed = parse_arm(arm)
    return parsed.unlabelled or parsed.reviewed


def difference_table(runs: Runs, against: Against) -> ReportTable | None:
    """Return the differences of each arm (rows) in each run (columns), with their intervals."""
    rows = []
    for arm, own in _pairs(runs):
        # the language model alone has no classifier, and is compared with each
        for classifier in _classifiers(runs) if arm in UNTRAINED else [own]:
            found = [_find(run, against, arm, classifier) for run in runs.values()]
            if any(found):
                cells = [_difference(row) for row in found]
                rows.append(TableRow(_row_name(runs, arm, classifier), cells, describe_arm(arm)))
    return ReportTable(["Arm", *runs], rows) if rows else None


def published_tables(runs: Runs) -> list[tuple[str, ReportTable]]:
    """Return the paper's figures next to relgen's, for each corpus and K that the paper reports.

    Ours are from the run with the most arms, and from KnowPrompt if it was trained. The paper's
    figures for arms that were not run are omitted.
    """
    found = []
    for corpus, shots in dict.fromkeys((run.corpus, run.shots) for run in runs.values()):
        same = {k: run for k, run in runs.items() if (run.corpus, run.shots) == (corpus, shots)}
        label, run = max(same.items(), key=lambda item: len(item[1].arm_names))
        names = run.classifiers
        classifiers = [name for name in names if name.startswith("knowprompt")] or names
        rows = []
        figures = _PUBLISHED.get((corpus, shots), ())
        for (arm, name), figure in zip(_PUBLISHED_ARMS.items(), figures, strict=False):
            readers = ["direct"] * len(classifiers) if arm == "direct" else classifiers
            own = [
                TableCell(tables.mean_score(run, arm, classifier).text) for classifier in readers
            ]
            if any(cell.text != MISSING for cell in own):
                rows.append(TableRow(name, [TableCell(figure), *own], arm))
        if rows:
            read = "" if run.settings.get("label", {}) is None else ", relabelled"
            columns = ["", "published", *(f"here, {name}{read}" for name in classifiers)]
            found.append((label, ReportTable(columns, rows)))
    return found


@dataclass
class Verdict:
    """The comparisons that support a claim and that contradict it, and the number of open ones."""

    claim: str
    support: list[str] = field(default_factory=list)
    contradict: list[str] = field(default_factory=list)
    open: int = 0


def verdicts(runs: Runs) -> list[Verdict]:
    """Return a verdict on each claim that the runs test.

    A comparison is open unless zero is outside both intervals. If runs share stages, and so a
    comparison, it counts once. Comparisons of one seed do not count.
    """
    found = []
    for claim, against, arms, sign in CLAIMS:
        verdict, seen = Verdict(claim), set()
        for label, run in runs.items():
            for row in run.results.get(against, []):
                key = run.corpus, run.shots, row["arm"], row["than"], row["classifier"]
                ends = [sign * end for pair in intervals(row) for end in pair]
                same = (*key, row["mean"], *ends)
                if row["arm"] not in arms or row["n_seeds"] < 2 or same in seen:
                    continue
                seen.add(same)
                where = f"{row['arm']} with {row['classifier']} in {label}"
                if min(ends) > 0:
                    verdict.support.append(where)
                elif max(ends) < 0:
                    verdict.contradict.append(where)
                else:
                    verdict.open += 1
        if seen:
            found.append(verdict)
    return found


def by_corpus(runs: Runs) -> list[Runs]:
    """Group the runs by corpus."""
    corpora = dict.fromkeys(run.corpus for run in runs.values())
    return [{k: run for k, run in runs.items() if run.corpus == corpus} for corpus in corpora]


def fullest(runs: Runs) -> str:
    """Return the name of the run with the most generated sets, not counting ablations and parts."""

    def sets(label: str) -> int:
        names = diversity_sets(runs[label])
        return sum(not is_part(name) and name not in _ONLY_ABLATIONS for name in names)

    return max(runs, key=sets)


def largest(runs: Runs) -> str:
    """Return the name of the run with the most shots; of several, the fullest."""
    shots = max(run.shots for run in runs.values())
    return fullest({label: run for label, run in runs.items() if run.shots == shots})


def distinct_tables(
    runs: Runs, make: Callable[[Run], ReportTable | None]
) -> list[tuple[str, ReportTable]]:
    """Return a table of each run, except for tables whose columns all appear in earlier ones.

    Several cells of a grid can share a generated set.
    """
    found: list[tuple[str, ReportTable]] = []
    seen: set[tuple[str, frozenset[tuple[str, TableCell]]]] = set()
    for label, run in runs.items():
        if (table := make(run)) is None:
            continue
        columns = set()
        for place, heading in enumerate(table.columns[1:]):
            cells = [(row.name, row.cells[place]) for row in table.rows]
            # without zeros: those rows belong to other columns
            columns.add((heading, frozenset(pair for pair in cells if pair[1].text != "0")))
        if not columns <= seen:
            found.append((label, table))
        seen |= columns
    return found


def intervals(row: Difference) -> list[tuple[float, float]]:
    """Return the bootstrap's interval and, with several seeds, Student's."""
    pairs = [(row["bootstrap"]["low"], row["bootstrap"]["high"])]
    return pairs if row.get("low") is None else [*pairs, (row["low"], row["high"])]


def _pairs(runs: Runs) -> list[tuple[str, str]]:
    """Return each arm that uses all of its set, with each classifier."""
    arms = [arm for run in runs.values() for arm in run.arms if not is_part(arm.arm)]
    return list(dict.fromkeys((arm.arm, arm.classifier) for arm in arms))


def _classifiers(runs: Runs) -> list[str]:
    return list(dict.fromkeys(name for run in runs.values() for name in run.classifiers))


def _row_name(runs: Runs, arm: str, classifier: str) -> str:
    several = len(_classifiers(runs)) > 1 and classifier not in UNTRAINED
    return f"{arm} · {classifier}" if several else arm


def _find(run: Run, against: Against, arm: str, classifier: str) -> Difference | None:
    rows = run.results.get(against, [])
    return next((r for r in rows if (r["arm"], r["classifier"]) == (arm, classifier)), None)


def _difference(row: Difference | None) -> TableCell:
    """Return a cell with the mean difference, and its intervals as the note."""
    if row is None:
        return TableCell(MISSING)
    shown = "; ".join(" to ".join(map(tables.points, pair)) for pair in intervals(row))
    return TableCell(tables.points(row["mean"]), f"({shown})")
