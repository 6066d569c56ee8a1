"""Reads a run's folder: `results.json`, `report_data.json`, and the files that they name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from relgen.common import InputError, read_json, read_lines
from relgen.data import Sample, read_samples
from relgen.experiments import ArmFiles, ReportData


@dataclass
class ArmRun:
    """One arm of one seed: its figures from `results.json`, and its files."""

    arm: str
    seed: int
    classifier: str
    figures: dict[str, Any]
    files: ArmFiles


@dataclass
class Run:
    """The content of a run's folder. `missing` collects named files that do not exist."""

    folder: Path
    results: dict[str, Any]
    data: ReportData
    settings: dict[str, Any]
    arms: list[ArmRun]
    missing: list[str] = field(default_factory=list)

    @property
    def arm_names(self) -> list[str]:
        """Return each arm once, in the order of `results.json`."""
        return list(dict.fromkeys(run.arm for run in self.arms))

    @property
    def corpus(self) -> str:
        """Return the corpus's name."""
        return str(self.results.get("corpus") or "")

    @property
    def shots(self) -> int:
        """Return the number of labelled samples per relation; 0 if it is not known."""
        return self.results.get("shots") or 0

    @property
    def classifiers(self) -> list[str]:
        """Return each classifier once, in the order of `results.json`; `direct` has none."""
        return list(dict.fromkeys(run.classifier for run in self.arms if run.arm != "direct"))

    def json(self, path: str | None) -> Any:
        """Return the content of a JSON file; None, and an entry in `missing`, if there is none."""
        file = self._file(path)
        return read_json(file) if file else None

    def jsons(self, paths: Iterable[str] | None) -> list[Any]:
        """Return the contents of those JSON files that exist."""
        return [content for path in paths or () if (content := self.json(path)) is not None]

    def lines(self, path: str | None) -> list[str]:
        """Return the non-blank lines of a file; none if it does not exist."""
        file = self._file(path)
        return [line for line in read_lines(file) if line.strip()] if file else []

    def samples(self, paths: Iterable[str]) -> list[Sample]:
        """Return the samples of files in order, without malformed lines."""
        found: list[Sample] = []
        for path in paths:
            if (file := self._file(path)) and file.stat().st_size:
                found.extend(read_samples(file, skip_bad=True))
        return found

    def _file(self, path: str | None) -> Path | None:
        if path is None:
            return None
        if (file := self.folder / path).is_file():
            return file
        if path not in self.missing:
            self.missing.append(path)
        return None


def load_run(folder: str | Path, *, human_sentences: bool = True) -> Run:
    """Read `results.json` and `report_data.json` of a run's folder.

    Without `human_sentences`, the corpus's own sentences are hidden, whatever its licence.

    Raises:
        InputError: `results.json` does not exist, or one of the two files is malformed.
    """
    folder = Path(folder)
    if not (folder / "results.json").is_file():
        raise InputError(
            "this folder has no results.json",
            path=folder,
            remedy=f"give the folder of a finished experiment: relgen run … --out {folder}",
        )
    results = read_json(folder / "results.json")
    if not isinstance(results, dict) or not results.get("arms"):
        raise InputError(
            "this file contains no arms",
            path=folder / "results.json",
            field="arms",
            remedy="run the experiment again: relgen run continues where it stopped",
        )
    extra = folder / "report_data.json"
    data: ReportData = read_json(extra) if extra.is_file() else {}
    if not human_sentences:
        data["show_human_sentences"] = False
    files = {(f["arm"], f["seed"], f.get("classifier")): f for f in data.get("arms", [])}
    arms = []
    for row in results["arms"]:
        if not isinstance(row, dict) or "arm" not in row or "seed" not in row:
            raise InputError(
                "an arm needs the keys arm and seed",
                path=folder / "results.json",
                field="arms",
                value=row,
            )
        arm, seed, classifier = row["arm"], row["seed"], row.get("classifier")
        nothing: ArmFiles = {"arm": arm, "seed": seed}
        own = files.get((arm, seed, classifier)) or files.get((arm, seed, None)) or nothing
        arms.append(ArmRun(arm, seed, classifier or "", row, own))
    return Run(folder, results, data, _settings(data), arms)


def _settings(data: ReportData) -> dict[str, Any]:
    try:
        content = yaml.safe_load(data.get("settings", ""))
    except yaml.YAMLError:  # the report still shows the text
        return {}
    return content if isinstance(content, dict) else {}
