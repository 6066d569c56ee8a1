"""Several runs side by side: the paper's tables over corpora and K, and what they support.

Reads what `relgen.reporting.data` reads of each run. Intervals are those of `results.json`; nothing
is tested here that was not tested there.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from relgen.arms import METHOD, parse_arm
from relgen.reporting import charts, published, tables
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
    Claim("DPO helps", "against_no_dpo", (f"{METHOD}_mix",)),
    Claim("One by one beats all at once", "against_method", ("aao_dpo_mix",), -1),
    Claim("The diversity instruction helps", "against_method", (f"{METHOD}_plain_mix",), -1),
    Claim("A window of demonstrations hurts", "against_method", (f"{METHOD}_window_mix",), -1),
    Claim("The method beats Xu et al. 2023", "against_method", ("xu2023", "xu2023_mix"), -1),
)


@dataclass(frozen=True)
class Compared:
    """A run under the name of its column."""

    label: str
    run: Run


@dataclass(frozen=True)
class Curve:
    """Scores against the number of generated samples a relation, in one run with one classifier.

    `level` is the number from which more samples bring nothing that can be told from noise: the
    smallest whose score no larger one exceeds by more than a standard error of the paired
    differences. None for a single seed.
    """

    title: str
    points: list[tuple[int, float]]
    level: int | None


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
            score = _mean(one.run, arm, classifier)
            found = None if method else _against(one.run, "against_method", arm, classifier)
            cells.append(Cell(tables.percent(score), _difference(found)))
        hint = "the method" if method else ABLATIONS[parsed.generation or ""]
        rows.append(Row(_row_name(runs, arm, classifier), cells, hint))
    if not any(parse_arm(arm).generation in _ONLY_ABLATIONS for arm, _ in shown):
        return None
    return Table(["Ablation", *(one.label for one in runs)], rows)


def difference_table(runs: Sequence[Compared], against: Against) -> Table | None:
    """Differences with their bootstrap intervals, of every arm (rows) in every run (columns)."""
    rows = []
    for arm, classifier in _pairs(runs):
        found = [_against(one.run, against, arm, classifier) for one in runs]
        if any(found) and not is_part(arm):
            cells = [Cell(_points(row), _ends(row)) for row in found]
            rows.append(Row(_row_name(runs, arm, classifier), cells, describe(arm)))
    return Table(["Arm", *(one.label for one in runs)], rows) if rows else None


def published_tables(runs: Sequence[Compared]) -> list[tuple[str, Table]]:
    """The paper's figures beside ours, for runs whose corpus and K the paper reports."""
    found = []
    for one in runs:
        results = one.run.results
        figures = published.published_figures(results.get("corpus"), results.get("shots"))
        if not figures:
            continue
        classifiers = one.run.classifiers
        rows = []
        for arm, (name, figure) in figures.items():
            own = [
                tables.percent(_mean(one.run, arm, "direct" if arm == "direct" else classifier))
                for classifier in classifiers
            ]
            rows.append(Row(name, [Cell(figure), *map(Cell, own)], arm))
        columns = ["", "published", *(f"here, {name}" for name in classifiers)]
        found.append((one.label, Table(columns, rows)))
    return found


def repetition_table(runs: Sequence[Compared]) -> Table | None:
    """The rate of repeated words of every set (rows) in every run (columns)."""
    sets = [tables.diversity_sets(one.run) for one in runs]
    names = [n for n in dict.fromkeys(name for of in sets for name in of) if not is_part(n)]
    rows = []
    for name in names:
        values = [
            tables.mean([seed["overall"].get("word_repetition") for seed in of.get(name, [])])
            for of in sets
        ]
        cells = [Cell(MISSING if value is None else f"{value:.3f}") for value in values]
        rows.append(Row(name, cells, describe(name)))
    return Table(["Set", *(one.label for one in runs)], rows) if rows else None


def curves(runs: Sequence[Compared]) -> list[Curve]:
    """A curve for each arm of which a run has parts (`obo_dpo_mix@8`), with each classifier."""
    found = []
    for one in runs:
        whole = one.run.settings.get("generator") or {}
        most = whole.get("samples") if isinstance(whole, dict) else None
        stems = dict.fromkeys(a.partition("@")[0] for a in one.run.arm_names if is_part(a))
        for stem in stems:
            for classifier in one.run.classifiers:
                scores: dict[int, dict[int, float]] = {}
                for arm in one.run.arms:
                    same = arm.arm.partition("@")[0] == stem and arm.classifier == classifier
                    size = parse_arm(arm.arm).first or most if same else None
                    if size and arm.figures.get("micro_f1") is not None:
                        scores.setdefault(size, {})[arm.seed] = arm.figures["micro_f1"]
                points = [(n, statistics.fmean(of.values())) for n, of in sorted(scores.items())]
                if len(points) > 1:
                    title = f"{one.label}: {stem}, {classifier}"
                    found.append(Curve(title, points, level_off(scores)))
    return found


def level_off(scores: dict[int, dict[int, float]]) -> int | None:
    """See `Curve.level`.

    Args:
        scores: by number of samples, then by seed.
    """
    sizes = sorted(scores)
    for place, size in enumerate(sizes):
        gains = []
        for larger in sizes[place + 1 :]:
            seeds = scores[size].keys() & scores[larger].keys()
            if len(seeds) < 2:
                return None
            differences = [scores[larger][seed] - scores[size][seed] for seed in seeds]
            error = statistics.stdev(differences) / len(differences) ** 0.5
            gains.append(statistics.fmean(differences) > error)
        if not any(gains):
            return size if place < len(sizes) - 1 else None
    return None


def curve_chart(found: Sequence[Curve]) -> charts.LineChart | None:
    """All curves over one axis."""
    series = [(c.title, [(float(n), 100 * score) for n, score in c.points]) for c in found]
    return charts.line_chart("micro-F1, %", series, x_label="generated samples a relation")


def verdicts(runs: Sequence[Compared]) -> list[str]:
    """What was claimed of the method, each with how often the intervals here bear it out."""
    said = []
    for claim in CLAIMS:
        rows = [row for one in runs for row in one.run.results.get(claim.against, [])]
        ends = [
            sorted(claim.sign * row["bootstrap"][end] for end in ("low", "high"))
            for row in rows
            if row["arm"] in claim.arms
        ]
        if ends:
            above, below = sum(low > 0 for low, _ in ends), sum(high < 0 for _, high in ends)
            said.append(
                f"{claim.text}: of {len(ends)} comparisons, the interval supports this in {above}, "
                f"contradicts it in {below}, and leaves {len(ends) - above - below} open."
            )
    return said


def _pairs(runs: Iterable[Compared]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((a.arm, a.classifier) for one in runs for a in one.run.arms))


def _row_name(runs: Sequence[Compared], arm: str, classifier: str) -> str:
    several = len({name for one in runs for name in one.run.classifiers}) > 1
    return f"{arm} · {classifier}" if several and arm != "direct" else arm


def _scores(runs: Sequence[Compared], shown: Sequence[tuple[str, str]]) -> Table:
    columns = []
    for one in runs:
        column = []
        for arm, classifier in shown:
            values = _values(one.run, arm, classifier)
            spread = tables.deviation(values)
            note = "" if spread is None else f"± {100 * spread:.1f}"
            column.append((tables.percent(tables.mean(values)), note))
        columns.append(tables.mark_best(column, "high"))
    rows = [
        Row(_row_name(runs, *pair), [column[place] for column in columns], describe(pair[0]))
        for place, pair in enumerate(shown)
    ]
    return Table(["Arm", *(one.label for one in runs)], rows)


def _values(run: Run, arm: str, classifier: str) -> list[float | None]:
    return [
        one.figures.get("micro_f1")
        for one in run.arms
        if one.arm == arm and one.classifier == classifier
    ]


def _mean(run: Run, arm: str, classifier: str) -> float | None:
    return tables.mean(_values(run, arm, classifier))


def _against(run: Run, against: Against, arm: str, classifier: str) -> dict[str, Any] | None:
    rows = run.results.get(against, [])
    return next((r for r in rows if (r["arm"], r["classifier"]) == (arm, classifier)), None)


def _points(row: dict[str, Any] | None) -> str:
    return MISSING if row is None else f"{100 * row['mean']:+.1f}"


def _ends(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    low, high = (100 * row["bootstrap"][end] for end in ("low", "high"))
    return f"({low:+.1f} to {high:+.1f})"


def _difference(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{_points(row)} {_ends(row)}"
