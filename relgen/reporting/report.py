"""Writes `report.html` and `report.md` of one or several runs; both load nothing from a network.

The data comes from `results.json`, `report_data.json` and the files that they name; parts without
data are omitted. The text is in `templates/`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from relgen import __version__
from relgen.common import printable, read_text, refuse_foreign, text_hash, write_text
from relgen.experiments import StageData, describe_shots, run_advice
from relgen.reporting import (
    charts,
    comparison,
    confidence,
    diversity,
    examples,
    findings,
    sizes,
    tables,
)
from relgen.reporting.data import Run, load_run

_MARK = "<!-- written by relgen report, hash {} -->"


def write_report(
    folder: str | Path, out: str | Path | None = None, *, human_sentences: bool = True
) -> tuple[Path, Path]:
    """Write `report.html` and `report.md` of a run, by default to its folder; return their paths.

    Without `human_sentences`, the corpus's own sentences are hidden, whatever its licence. Raises
    InputError if `results.json` does not exist or is malformed.
    """
    run = load_run(folder, human_sentences=human_sentences)
    return _render("report", report_content(run), Path(out or run.folder))


def write_comparison(
    folders: Mapping[str, str | Path],
    out: str | Path,
    *,
    title: str,
    settings: str = "",
    human_sentences: bool = True,
) -> tuple[Path, Path]:
    """Write `report.html` and `report.md` of several runs side by side, and return their paths.

    The folders are by their column headings; `settings` is the YAML text that made the runs, to be
    shown. For `human_sentences` see `write_report`. Raises InputError if a `results.json` does not
    exist or is malformed.
    """
    runs = {k: load_run(of, human_sentences=human_sentences) for k, of in folders.items()}
    return _render("comparison", comparison_content(runs, title, settings), Path(out))


def comparison_content(runs: comparison.Runs, title: str, settings: str) -> dict[str, Any]:
    """Return the content for the two templates of a comparison."""
    # diversity of the run with the largest K, as in the paper, and of that with the most sets
    corpora = comparison.by_corpus(runs)
    chosen = [name for of in corpora for name in (comparison.largest(of), comparison.fullest(of))]
    sets = {label: diversity.diversity_sets(runs[label]) for label in chosen}
    size_curves = sizes.size_curves(runs)
    differences = {
        "Difference from human samples alone": comparison.difference_table(runs, "against_human"),
        "Difference from the same without DPO": comparison.difference_table(runs, "against_no_dpo"),
        "Difference that a review makes": comparison.difference_table(runs, "against_unreviewed"),
    }
    return {
        "title": title,
        "verdicts": comparison.verdicts(runs),
        "main": comparison.main_table(runs),
        "differences": [(heading, table) for heading, table in differences.items() if table],
        "ablations": comparison.ablation_table(runs),
        "published": comparison.published_tables(runs),
        "cosines": [
            (label, diversity.cosine_chart(of), table)
            for label, of in sets.items()
            if (table := diversity.cosine_table(of)) is not None
        ],
        "repetition": diversity.repetition_table(runs),
        "generation": comparison.distinct_tables(runs, tables.generation_table),
        "labelling": comparison.distinct_tables(runs, tables.labelling_table),
        "curves": size_curves,
        "curve_chart": sizes.size_chart(size_curves),
        "examples": [
            (label, cases, runs[label].data.get("show_human_sentences") is False)
            for label in map(comparison.fullest, corpora)
            if (cases := examples.examples(runs[label], 3))
        ],
        "facts": [(label, _facts(run)) for label, run in runs.items()],
        "settings": settings,
    }


def report_content(run: Run) -> dict[str, Any]:
    """Return the content for the two templates of a run."""
    classifier = next(iter(run.classifiers), "")
    f1 = tables.relation_f1(run, classifier)
    sets = diversity.diversity_sets(run)
    headline, detail = findings.headline(run)
    return {
        "title": run.results.get("experiment") or run.folder.name,
        "headline": headline,
        "detail": detail,
        "advice": run_advice(run.results),
        "done": findings.what_was_done(run),
        "facts": _facts(run),
        "arms": tables.arm_table(run),
        "seeds": len({arm.seed for arm in run.arms}),
        "f1_table": tables.relation_table(run, f1) if f1 else None,
        "f1_chart": _f1_chart(run, f1),
        "classifier": classifier if len(run.classifiers) > 1 else "",
        "confidence": confidence.confidence_table(run),
        "confidence_charts": confidence.confidence_charts(run),
        "confusion": confidence.confusion_table(run),
        "mistakes": confidence.worst_mistakes(run),
        "diversity": diversity.diversity_table(sets) if sets else None,
        "left_out": diversity.left_out(sets),
        "cosine_chart": diversity.cosine_chart(sets),
        "encoder": next((of["encoder"] for s in sets.values() for of in s if "encoder" in of), ""),
        "learning": charts.dpo_charts(run) + charts.classifier_charts(run),
        "examples": examples.examples(run),
        "generation": tables.generation_table(run),
        "labelling": tables.labelling_table(run),
        "unlabelled": tables.unlabelled_table(run),
        "published": comparison.published_tables({"": run}),
        "stages": [(stage, _duration([stage])) for stage in run.data.get("stages", [])],
        # last: collecting the parts above finds the missing files
        "run": run,
    }


def _facts(run: Run) -> list[tuple[str, str]]:
    facts = [
        ("Corpus", run.corpus),
        ("Shots per relation", describe_shots(run.results)),
        ("Relations", str(len(run.data.get("labels", [])) or "")),
        ("Seeds", ", ".join(str(seed) for seed in dict.fromkeys(arm.seed for arm in run.arms))),
        ("Device", run.data.get("device", "")),
        ("Duration", _duration(run.data.get("stages", []))),
    ]
    return [(name, value) for name, value in facts if value]


def _f1_chart(run: Run, f1: dict[str, dict[str, float | None]]) -> charts.Chart | None:
    """Draw F1 by relation of `human` and of the arm in the headline."""
    arm = findings.compared_arm(run.arm_names)
    if arm is None or "human" not in run.arm_names:
        return None
    rows = {
        label: {name: None if (value := of[name]) is None else 100 * value for name in of}
        for label, of in f1.items()
        if label != run.data.get("negative")
    }
    return charts.dot_chart("F1 by relation, %", rows, ["human", arm])


def _duration(stages: Sequence[StageData]) -> str:
    """Format the sum of the stages' times, which excludes interruptions."""
    times = [seconds for stage in stages if (seconds := stage.get("seconds")) is not None]
    if not times:
        return ""
    total = sum(times)
    return f"{total:.1f} s" if total < 60 else str(datetime.timedelta(seconds=round(total)))


def _render(template: str, content: Mapping[str, Any], target: Path) -> tuple[Path, Path]:
    environment = Environment(
        loader=PackageLoader("relgen.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _markdown_cell, "points": tables.points}
    environment.globals |= {"version": __version__, "examples_of_each": examples.SENTENCES}
    environment.globals |= {"most_points": charts.MOST_POINTS}
    paths = target / "report.html", target / "report.md"
    for path in paths:
        if path.is_file() and not _is_own(read_text(path)):
            refuse_foreign([path], "report")
    for path in paths:
        form = path.suffix.removeprefix(".")
        text = environment.get_template(f"{template}.j2").render(content, form=form)
        if form == "md":  # quotes are harmless in Markdown, and easier to read
            text = text.replace("&#39;", "'").replace("&#34;", '"')
        text = printable(text).rstrip()
        write_text(path, f"{text}\n{_MARK.format(text_hash(text))}\n")
    return paths


def _is_own(text: str) -> bool:
    """Return whether a report is as it was written."""
    body, _, mark = text.rstrip().rpartition("\n")
    return mark == _MARK.format(text_hash(body))


def _markdown_cell(text: object, strip: bool = True) -> str:
    """Return a text on one line, with Markdown's characters escaped."""
    plain = " ".join(str(text).split()) if strip else re.sub(r"\s", " ", str(text))
    escaped = re.sub(r"([\\`*\[\]|])", r"\\\1", plain)
    return Markup(escaped) if isinstance(text, Markup) else escaped
