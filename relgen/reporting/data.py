"""Reads a run's folder: `results.json`, `report_data.json`, and the files that they name.

Arms and generated sets are described in words here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from relgen.common import InputError, decode_json, load_yaml, read_json, read_lines
from relgen.data import Sample, read_samples
from relgen.experiments import UNTRAINED, ArmFiles, ReportData, parse_arm

_WORDS = {
    "human": "human samples only",
    "direct": "the LLM asked for the relation",
    "reader": "the LLM's reading of the test sentences",
    "unlabelled": "sentences without a relation, as read by the LLM",
    "unlabelled_mix": "human and unlabelled sentences",
    "xu2023": "generation of Xu et al. 2023",
    "aao": "all at once",
    "aao_dpo": "all at once, after DPO",
    "obo": "one by one",
    "obo_dpo": "one by one, after DPO",
    "obo_plain": "one by one, no diversity instruction",
    "obo_dpo_plain": "one by one, after DPO, no diversity instruction",
    "obo_dpo_window": "one by one, after DPO, the last demonstrations only",
    "obo_dpo_no_wrong_label": "one by one, after DPO without wrong labels",
    "obo_dpo_no_near_copy": "one by one, after DPO without near copies",
    "obo_dpo_no_exact_copy": "one by one, after DPO without exact copies",
}
_TRAINED_ON = {
    "pure": "generated only",
    "unlabelled_mix": "human, unlabelled and generated",
    "mix": "human and generated",
}


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
        return str(self.results.get("corpus") or "")

    @property
    def shots(self) -> int:
        """Return the number of labelled samples per relation; 0 if it is not known."""
        return self.results.get("shots") or 0

    @property
    def tested(self) -> dict[str, int]:
        """Return the number of test samples of each relation; empty if it is not known."""
        return self.results.get("tested") or {}

    @property
    def classifiers(self) -> list[str]:
        """Return each classifier once, in the order of `results.json`; some arms have none."""
        return list(dict.fromkeys(r.classifier for r in self.arms if r.arm not in UNTRAINED))

    @property
    def generator(self) -> dict[str, Any]:
        """Return the settings of the generator; empty if they are not known."""
        found = self.settings.get("generator")
        return found if isinstance(found, dict) else {}

    def sets(self) -> Iterator[tuple[str, ArmRun]]:
        """Yield each set of each seed once, by name (`human` or generated), with an arm of it."""
        seen: set[tuple[str, int]] = set()
        for arm in self.arms:
            name = generation_of(arm.arm) or arm.arm
            without = name in UNTRAINED or name.startswith("unlabelled_mix")
            if not without and (name, arm.seed) not in seen:
                seen.add((name, arm.seed))
                yield name, arm

    def jsons(self, *paths: str) -> list[Any]:
        """Return the contents of those JSON files that exist; `missing` names the others."""
        return [read_json(file) for path in paths if (file := self._file(path))]

    def by_seed(self, arm: str, classifier: str, score: str = "micro_f1") -> dict[int, float]:
        """Return the known values of a score by seed."""
        own = [one for one in self.arms if (one.arm, one.classifier) == (arm, classifier)]
        found = {one.seed: one.figures.get(score) for one in own}
        return {seed: value for seed, value in found.items() if value is not None}

    def rows(self, path: str) -> list[dict[str, Any]]:
        """Return the objects in a file of JSON lines, without malformed lines."""
        found = []
        for line in read_lines(file) if (file := self._file(path)) else ():
            with suppress(InputError):
                found.append(decode_json(line))
        return found

    def samples(self, paths: Iterable[str]) -> list[Sample]:
        """Return the samples of files in order, without malformed lines."""
        found: list[Sample] = []
        for path in paths:
            if (file := self._file(path)) and file.stat().st_size:
                found.extend(read_samples(file, skip_bad=True))
        return found

    def _file(self, path: str) -> Path | None:
        if (file := self.folder / path).is_file():
            return file
        if path not in self.missing:
            self.missing.append(path)
        return None


def load_run(folder: str | Path, *, human_sentences: bool = True) -> Run:
    """Read `results.json` and `report_data.json` of a run's folder.

    Without `human_sentences`, the corpus's own sentences are hidden, whatever its licence. Raises
    InputError if `results.json` does not exist, or one of the two files is malformed.
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
        own = files.get((arm, seed, classifier)) or files.get((arm, seed, None))
        arms.append(ArmRun(arm, seed, classifier or "", row, own or {"arm": arm, "seed": seed}))
    settings = None
    with suppress(yaml.YAMLError):  # the report still shows the text
        settings = load_yaml(data.get("settings", ""))
    return Run(folder, results, data, settings if isinstance(settings, dict) else {}, arms)


def generation_of(arm: str) -> str | None:
    """Return the generated set that an arm uses; None for one without, such as `human`.

    `obo_dpo_mix` uses `obo_dpo`, and `obo_dpo_mix@16` uses `obo_dpo@16`.
    """
    parsed = parse_arm(arm)
    part = "" if parsed.first is None else f"@{parsed.first}"
    return None if parsed.generation is None else f"{parsed.generation}{part}"


def is_part(arm: str) -> bool:
    """Return True for an arm or set that uses only the first samples of a set."""
    return "@" in arm


def describe_arm(arm: str) -> str:
    """Describe an arm or a generated set in a few words."""
    whole, at, number = arm.partition("@")
    stem = whole.removesuffix("_reviewed")
    kind = next((k for k in _TRAINED_ON if stem.endswith(f"_{k}") and stem not in _WORDS), None)
    said = _WORDS[stem.removesuffix(f"_{kind}")]
    said = f"{_TRAINED_ON[kind]}: {said}" if kind else said
    said += ", reviewed by people" if stem != whole else ""
    return f"{said}, the first {number} of each relation" if at else said
