"""Shows how far a run's probabilities can be trusted, its confusions and surest mistakes."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, NamedTuple

from relgen.common import InputError
from relgen.data import Entity, Sample
from relgen.evaluation import mean
from relgen.reporting.charts import Chart, line_chart
from relgen.reporting.data import ArmRun, Run, describe_arm
from relgen.reporting.examples import Piece, pieces
from relgen.reporting.findings import compared_arm
from relgen.reporting.tables import ReportTable, TableCell, TableRow, decimals, percent

MISTAKES = 10
MOST_LABELS = 20
"""A confusion matrix of more labels is too wide to read."""


class Mistake(NamedTuple):
    """A wrong prediction, with the sentence in pieces."""

    gold: str
    predicted: str
    probability: float
    sentence: list[Piece]


def confidence_table(run: Run) -> ReportTable | None:
    """Return calibration errors and error rates by arm of the first classifier, over all seeds."""
    rows = []
    for arm in run.arm_names:
        if found := _measured(run, arm):
            errors = [one["error"] for one in found]
            risks = [_risk(one["risk_coverage"], share) for one in found for share in (0.5, 1.0)]
            halves, whole = risks[::2], risks[1::2]
            cells = [decimals(mean(errors)), percent(mean(halves)), percent(mean(whole))]
            rows.append(TableRow(arm, [TableCell(text) for text in cells], describe_arm(arm)))
    columns = ["Arm", "Calibration error", "Wrong, surest half", "Wrong, all"]
    return ReportTable(columns, rows) if rows else None


def confidence_charts(run: Run) -> list[Chart]:
    """Draw reliability and risk-coverage of `human` and of the arm in the headline."""
    arms = [arm for arm in ("human", compared_arm(run.arm_names)) if arm in run.arm_names]
    found = [(arm, one) for arm in arms if arm for one in _measured(run, arm)]
    if not found:
        return []
    reliable = [(arm, [(x, y) for x, y, _ in one["reliability"]]) for arm, one in found]
    risks = [(arm, [(x, y) for x, y in one["risk_coverage"]]) for arm, one in found]
    ideal = ("calibrated", [(0.0, 0.0), (1.0, 1.0)])
    title = "Share that is right, by probability"
    drawn = [
        line_chart(title, [*reliable, ideal], x_label="probability"),
        line_chart("Share that is wrong, of those answered", risks, x_label="share answered"),
    ]
    return [chart for chart in drawn if chart]


def confusion_table(run: Run) -> ReportTable | None:
    """Return test sentences by relation and prediction of the headline's arm, over all seeds.

    None if there are more than 20 labels; answers that name no label are left out.
    """
    found = [
        (tuple(one["labels"]), one["confusion"])
        for arm in _arms(run, _shown_arm(run))
        for one in run.jsons(*arm.files.get("scores", []))
        if one.get("labels") and one.get("confusion")
    ]
    if not found or len({labels for labels, _ in found}) > 1 or len(found[0][0]) > MOST_LABELS:
        return None
    counts = [
        [sum(cells) for cells in zip(*rows, strict=True)]
        for rows in zip(*(confusion for _, confusion in found), strict=True)
    ]
    rows = []
    for place, (label, row) in enumerate(zip(found[0][0], counts, strict=True)):
        cells = [
            TableCell(str(n) if n else "", best=n > 0 and at == place) for at, n in enumerate(row)
        ]
        rows.append(TableRow(f"{place + 1} {label}", cells))
    return ReportTable(["Relation", *(str(place + 1) for place in range(len(rows)))], rows)


def worst_mistakes(run: Run) -> tuple[str, list[Mistake]]:
    """Return an arm, and the mistakes it was surest of in the first seed.

    The arm is that of the headline, or else the first. There are none if the run hides the
    corpus's own sentences.
    """
    arm = _shown_arm(run)
    if not run.data.get("show_human_sentences"):
        return arm, []
    found: list[Mistake] = []
    for path in (path for one in _arms(run, arm)[:1] for path in one.files.get("scores", [])[:1]):
        name = str(PurePosixPath(path).with_name("mistakes.jsonl"))
        for row in run.rows(name)[:MISTAKES] if (run.folder / name).is_file() else ():
            try:
                head, tail = Entity(**row["head"]), Entity(**row["tail"])
                sample = Sample(row["id"], row["text"], head, tail, row["gold"])
            except (KeyError, TypeError, InputError):
                continue
            found.append(Mistake(row["gold"], row["predicted"], row["probability"], pieces(sample)))
    return arm, found


def _shown_arm(run: Run) -> str:
    return compared_arm(run.arm_names) or next(iter(run.arm_names), "")


def _arms(run: Run, arm: str) -> list[ArmRun]:
    classifier = next(iter(run.classifiers), "")
    return [one for one in run.arms if (one.arm, one.classifier) == (arm, classifier)]


def _measured(run: Run, arm: str) -> list[dict[str, Any]]:
    """Return what each training of an arm measured, in `scores.json`."""
    scores = (one for each in _arms(run, arm) for one in run.jsons(*each.files.get("scores", [])))
    return [one["confidence"] for one in scores if one.get("confidence")]


def _risk(curve: list[list[float]], share: float) -> float | None:
    """Return the error rate at the smallest coverage of at least `share`."""
    return next((risk for coverage, risk in curve if coverage >= share - 1e-9), None)
