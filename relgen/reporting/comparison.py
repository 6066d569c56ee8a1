"""Several runs side by side: the paper's tables over corpora and K, and what they support.

Reads what `relgen.reporting.data` reads of each run. Intervals are those of `results.json`; nothing
is tested here that was not tested there. There are two for each difference: the paired bootstrap's,
over test sentences and seeds, which is too narrow for a handful of seeds, and Student's over the
seeds. What is said to be supported has to be outside of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from relgen.evaluation import deviation, mean
from relgen.experiments import METHOD, parse_arm
from relgen.reporting import published, tables
from relgen.reporting.data import Run
from relgen.reporting.naming import describe, is_part
from relgen.reporting.tables import MISSING, Cell, Row, Table

Against = Literal["against_human", "against_no_dpo", "against_method"]
ABLATIONS = {
    "obo": "without DPO",
    "aao_dpo": "all at once in place of one by one",
    "obo_dpo_plain": "without the diversity instruction",
    "obo_dpo_no_wrong_label": "without wrong labels",
    "obo_dpo_no_near_copy": "without near copies",
    "obo_dpo_no_exact_copy": "without exact copies",
    "obo_dpo_window": "with a window of demonstrations",
}
# the others are systems of the main comparison too
_ONLY_ABLATIONS = {name for name in ABLATIONS if name not in ("obo", "aao_dpo")}


@dataclass(frozen=True)
class Claim:
    """Something that the paper or common sense expects of the method.

    Args:
        text: in a few words.
        against: the differences that bear on it.
        arms: whose differences.
        sign: 1 where it expects them above zero, -1 below.
    """

    text: str
    against: Against
    arms: tuple[str, ...]
    sign: int = 1


CLAIMS = (
    Claim("Human and generated samples beat human ones", "against_human", (f"{METHOD}_mix",)),
    Claim("Generated samples alone beat human ones", "against_human", (f"{METHOD}_pure",)),
    Claim("DPO helps", "against_no_dpo", (f"{METHOD}_mix", f"{METHOD}_pure")),
    Claim("One by one beats all at once", "against_method", ("aao_dpo_mix", "aao_dpo_pure"), -1),
    Claim("The diversity instruction helps", "against_method", (f"{METHOD}_plain_mix",), -1),
    Claim("A window of demonstrations hurts", "against_method", (f"{METHOD}_window_mix",), -1),
    Claim("The method beats Xu et al. 2023", "against_method", ("xu2023", "xu2023_mix"), -1),
)


@dataclass(frozen=True)
class Compared:
    """A run under the name of its column."""

    label: str
    run: Run


def main_table(runs: Sequence[Compared]) -> Table:
    """micro-F1 of every arm and classifier (rows) in every run (columns), ablations aside."""
    shown = [
        (arm, classifier)
        for arm, classifier in _pairs(runs)
        if not is_part(arm) and parse_arm(arm).generation not in _ONLY_ABLATIONS
    ]
    return _scores(runs, shown)


def ablation_table(runs: Sequence[Compared]) -> Table | None:
    """The method, and each of its ablations with the difference to it; None without ablations."""
    shown = [
        (arm, classifier)
        for arm, classifier in _pairs(runs)
        if not is_part(arm) and parse_arm(arm).generation in (METHOD, *ABLATIONS)
    ]
    rows = []
    for arm, classifier in shown:
        parsed = parse_arm(arm)
        method = parsed.generation == METHOD
        cells = []
        for one in runs:
            score, spread = _score(one.run, arm, classifier)
            found = None if method else _against(one.run, "against_method", arm, classifier)
            cells.append(Cell(score, "; ".join(filter(None, (spread, _difference(found))))))
        hint = "the method" if method else ABLATIONS[parsed.generation or ""]
        rows.append(Row(_row_name(runs, arm, classifier), cells, hint))
    if not any(parse_arm(arm).generation in _ONLY_ABLATIONS for arm, _ in shown):
        return None
    return Table(["Ablation", *(one.label for one in runs)], rows)


def difference_table(runs: Sequence[Compared], against: Against) -> Table | None:
    """Differences with their bootstrap intervals, of every arm (rows) in every run (columns)."""
    rows = []
    pairs = [
        pair
        for arm, own in _pairs(runs)
        # it trains no classifier, and is compared in each
        for pair in ([(arm, c) for c in _classifiers(runs)] if arm == "direct" else [(arm, own)])
    ]
    for arm, classifier in pairs:
        found = [_against(one.run, against, arm, classifier) for one in runs]
        if any(found) and not is_part(arm):
            cells = [Cell(_points(row), _ends(row)) for row in found]
            rows.append(Row(_row_name(runs, arm, classifier), cells, describe(arm)))
    return Table(["Arm", *(one.label for one in runs)], rows) if rows else None


def published_tables(runs: Sequence[Compared]) -> list[tuple[str, Table]]:
    """The paper's figures beside ours, once for each corpus and K that the paper reports.

    A figure that has none of ours beside it is left out.

    Ours are those of the run with the most arms, and of KnowPrompt where it has one.
    """
    settings: dict[tuple[object, object], list[Compared]] = {}
    for one in runs:
        key = one.run.results.get("corpus"), one.run.results.get("shots")
        settings.setdefault(key, []).append(one)
    found = []
    for (corpus, shots), same in settings.items():
        figures = published.published_figures(corpus, shots)
        if not figures:
            continue
        one = max(same, key=lambda each: len(each.run.arm_names))
        names = one.run.classifiers
        classifiers = [name for name in names if name.startswith("knowprompt")] or names
        rows = []
        for arm, (name, figure) in figures.items():
            own = [
                tables.percent(_mean(one.run, arm, "direct" if arm == "direct" else classifier))
                for classifier in classifiers
            ]
            if any(cell != MISSING for cell in own):
                rows.append(Row(name, [Cell(figure), *map(Cell, own)], arm))
        if not rows:
            continue
        read = "" if one.run.settings.get("label", {}) is None else ", labels as read"
        columns = ["", "published", *(f"here, {name}{read}" for name in classifiers)]
        found.append((one.label, Table(columns, rows)))
    return found


def by_corpus(runs: Sequence[Compared]) -> list[list[Compared]]:
    """The runs on each corpus, in the order in which they come."""
    found: dict[object, list[Compared]] = {}
    for one in runs:
        found.setdefault(one.run.results.get("corpus"), []).append(one)
    return list(found.values())


def fullest(runs: Sequence[Compared]) -> Compared:
    """The run with the most generated sets, ablations and parts of sets aside."""
    return max(runs, key=_number_of_sets)


def largest(runs: Sequence[Compared]) -> Compared:
    """The run with the most shots; of several the fullest."""
    return max(runs, key=lambda one: (one.run.results.get("shots") or 0, _number_of_sets(one)))


def _number_of_sets(one: Compared) -> int:
    names = [name for name in tables.diversity_sets(one.run) if not is_part(name)]
    return len([name for name in names if name not in _ONLY_ABLATIONS])


def repetition_table(runs: Sequence[Compared]) -> Table | None:
    """The rate of repeated words of every set (rows) in every run (columns)."""
    sets = [tables.diversity_sets(one.run) for one in runs]
    names = [n for n in dict.fromkeys(name for of in sets for name in of) if not is_part(n)]
    rows = []
    for name in names:
        values = [
            mean([seed["overall"].get("word_repetition") for seed in of.get(name, [])])
            for of in sets
        ]
        if any(value is not None for value in values):
            cells = [Cell(MISSING if value is None else f"{value:.3f}") for value in values]
            rows.append(Row(name, cells, describe(name)))
    return Table(["Set", *(one.label for one in runs)], rows) if rows else None


def once(runs: Sequence[Compared], make: Callable[[Run], Table | None]) -> list[tuple[str, Table]]:
    """A table of each run, but for those whose columns all stand in one that came before.

    The cells of a grid share their work: what was generated for one stands in several.
    """
    found: list[tuple[str, Table]] = []
    seen: set[tuple[tuple[str, str], ...]] = set()
    for one in runs:
        table = make(one.run)
        if table is None:
            continue
        columns = {_column(table, place) for place in range(1, len(table.columns))}
        if not columns <= seen:
            found.append((one.label, table))
        seen |= columns
    return found


def _column(table: Table, place: int) -> tuple[tuple[str, str], ...]:
    """A column's heading and cells, without rows of nothing: those are other columns'."""
    cells = [(row.name, row.cells[place - 1]) for row in table.rows]
    shown = [(name, f"{cell.text} {cell.note}".strip()) for name, cell in cells if cell.text != "0"]
    return (("", table.columns[place]), *sorted(shown))


def verdicts(runs: Sequence[Compared]) -> list[str]:
    """What was claimed of the method, each with how often the intervals here bear it out.

    Runs that share their work hold the same comparison: it counts once, and comparisons of a
    single seed do not.
    """
    said = []
    for claim in CLAIMS:
        distinct: dict[tuple[object, ...], tuple[str, float, float]] = {}
        for one in runs:
            for row in one.run.results.get(claim.against, []):
                if row["arm"] in claim.arms and row.get("n_seeds", 0) > 1 and "bootstrap" in row:
                    low, high = sorted(claim.sign * end for end in _widest(row))
                    setting = one.run.results.get("corpus"), one.run.results.get("shots")
                    names = row["arm"], row["than"], row["classifier"]
                    key = (*setting, *names, row["mean"], low, high)
                    where = f"{row['arm']} with {row['classifier']} in {one.label}"
                    distinct.setdefault(key, (where, low, high))
        if distinct:
            ends = list(distinct.values())
            above = [where for where, low, _ in ends if low > 0]
            below = [where for where, _, high in ends if high < 0]
            said.append(
                f"{claim.text}. Comparisons that support it: {_counted(above)}; that contradict "
                f"it: {_counted(below)}; open: {len(ends) - len(above) - len(below)}."
            )
    return said


def _counted(where: Sequence[str]) -> str:
    return f"{len(where)} ({'; '.join(where)})" if where else "0"


def _pairs(runs: Iterable[Compared]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((a.arm, a.classifier) for one in runs for a in one.run.arms))


def _classifiers(runs: Iterable[Compared]) -> list[str]:
    return list(dict.fromkeys(name for one in runs for name in one.run.classifiers))


def _row_name(runs: Sequence[Compared], arm: str, classifier: str) -> str:
    several = len(_classifiers(runs)) > 1 and classifier != "direct"
    return f"{arm} · {classifier}" if several else arm


def _scores(runs: Sequence[Compared], shown: Sequence[tuple[str, str]]) -> Table:
    columns = []
    for one in runs:
        column = []
        for arm, classifier in shown:
            column.append(_score(one.run, arm, classifier))
        columns.append(tables.mark_best(column, "high"))
    rows = [
        Row(_row_name(runs, *pair), [column[place] for column in columns], describe(pair[0]))
        for place, pair in enumerate(shown)
    ]
    return Table(["Arm", *(one.label for one in runs)], rows)


def _score(run: Run, arm: str, classifier: str) -> tuple[str, str]:
    """The mean and the standard deviation over seeds, in words."""
    values = _values(run, arm, classifier)
    spread = deviation(values)
    note = "" if spread is None else f"± {100 * spread:.1f}"
    return tables.percent(mean(values)), note


def _values(run: Run, arm: str, classifier: str) -> list[float | None]:
    return [
        one.figures.get("micro_f1")
        for one in run.arms
        if one.arm == arm and one.classifier == classifier
    ]


def _mean(run: Run, arm: str, classifier: str) -> float | None:
    return mean(_values(run, arm, classifier))


def _against(run: Run, against: Against, arm: str, classifier: str) -> dict[str, Any] | None:
    rows = run.results.get(against, [])
    return next((r for r in rows if (r["arm"], r["classifier"]) == (arm, classifier)), None)


def _points(row: dict[str, Any] | None) -> str:
    return MISSING if row is None else tables.points(row["mean"])


def _intervals(row: dict[str, Any]) -> list[tuple[float, float]]:
    """The bootstrap's, and Student's where there are several seeds."""
    pairs = [(row["bootstrap"]["low"], row["bootstrap"]["high"])]
    return pairs if row.get("low") is None else [*pairs, (row["low"], row["high"])]


def _widest(row: dict[str, Any]) -> tuple[float, float]:
    """The ends that hold all intervals."""
    pairs = _intervals(row)
    return min(low for low, _ in pairs), max(high for _, high in pairs)


def _ends(row: dict[str, Any] | None) -> str:
    """Both intervals, in points; nothing for results from before they were recorded."""
    if row is None or "bootstrap" not in row:
        return ""
    shown = "; ".join(" to ".join(map(tables.points, pair)) for pair in _intervals(row))
    return f"({shown})"


def _difference(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{_points(row)} {_ends(row)}".rstrip()
