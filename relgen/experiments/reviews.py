"""Compares a file that `relgen review` wrote with the samples of an experiment.

A decision counts for the sample of the same id and text, and has no effect elsewhere.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from relgen.common import InputError
from relgen.data import Sample, Sentences, iter_samples, repeated_rows
from relgen.experiments.arms import parse_arm
from relgen.experiments.config import Experiment
from relgen.experiments.run_folders import is_done
from relgen.experiments.stages import ArmStages


def check_reviewed(experiment: Experiment, arms: Sequence[ArmStages], test: Path) -> None:
    """Raise InputError if the review has no effect on an arm that takes it, as far as is known.

    Also if a sentence that people added is in the test file, unless a stage has yet to write that.

    What arms train on is known once the stages that make it are done; sentences without labels are
    known to be some of the user's file.
    """
    if experiment.reviewed is None:
        return
    reviewed = _reviewed(experiment.reviewed)
    if not reviewed:
        raise InputError(
            "no sample of this file was reviewed",
            field="reviewed",
            value=experiment.reviewed,
            remedy="name the file that relgen review wrote",
        )
    _check_added(experiment.reviewed, reviewed, test)
    for stages in _reviewed_arms(arms):
        files = _made(stages, experiment)
        if files is not None and not any(True for _ in _effective(reviewed, files)):
            label = stages.label or stages.unlabelled
            raise InputError(
                f"none of the {len(reviewed)} reviewed samples are among those of {stages.arm}, "
                f"seed {stages.seed} (by id and text)",
                field="reviewed",
                value=experiment.reviewed,
                remedy=f"review those in {label.folder / 'labelled.jsonl'}" if label else None,
            )


def _check_added(file: str, reviewed: Sequence[Sample], test: Path) -> None:
    added = [one for one in reviewed if _is_added(one)]
    tested = map(Sentences.of_sample, iter_samples(test) if added and test.is_file() else ())
    if leaks := repeated_rows([Sentences.of_sample(one) for one in added], tested):
        problem = "a sentence that people added is in the test set"
        remedy = "take it out of the review's file, or out of the test set"
        raise InputError(problem, path=file, value=added[leaks[0]].id, remedy=remedy)


def _is_added(sample: Sample) -> bool:
    return (sample.review or {}).get("decision") == "added"


def describe_review(experiment: Experiment, arms: Sequence[ArmStages]) -> dict[str, Any] | None:
    """Return how many sentences people reviewed, how many of them arms use, and in which time.

    The stages of `arms` must be done. `decisions` are the numbers of each decision.
    """
    if experiment.reviewed is None:
        return None
    reviewed = _reviewed(experiment.reviewed)
    files = {file for of in _reviewed_arms(arms) for file in _made(of, experiment) or ()}
    reviews = [sample.review or {} for sample in reviewed]
    decisions = Counter(str(review.get("decision") or "labelled") for review in reviews)
    seconds = sum(review.get("seconds") or 0.0 for review in reviews)
    return {
        "sentences": len(reviewed),
        "used": len(set(_effective(reviewed, sorted(files)))),
        "minutes": round(seconds / 60, 1),
        "decisions": dict(sorted(decisions.items())),
    }


def _reviewed_arms(arms: Iterable[ArmStages]) -> Iterable[ArmStages]:
    return (stages for stages in arms if parse_arm(stages.arm).reviewed)


def _reviewed(file: str) -> list[Sample]:
    return _read_once(Path(file), Path(file).stat().st_mtime_ns)


@functools.lru_cache
def _read_once(path: Path, modified: int) -> list[Sample]:
    """Read a file once, although every cell of a grid may use it."""
    return [one for one in iter_samples(path, rejected=True) if one.review is not None]


def _made(stages: ArmStages, experiment: Experiment) -> list[Path] | None:
    """Return files with all samples that people may have decided on; None while unknown."""
    files = []
    if stages.collect is not None:
        if not is_done(stages.collect):
            return None
        files.append(stages.collect.folder / "train.jsonl")
    if stages.unlabelled is not None and experiment.unlabelled is not None:
        done = is_done(stages.unlabelled)
        file = stages.unlabelled.folder / "labelled.jsonl" if done else experiment.unlabelled
        files.append(Path(file))
    return files


def _effective(reviewed: Sequence[Sample], files: Iterable[Path]) -> Iterable[tuple[str, str]]:
    """Yield id and text of reviewed samples that are in the files, or that people added."""
    yield from ((one.id, one.text) for one in reviewed if _is_added(one))
    decided = {(one.id, one.text) for one in reviewed}
    for file in files:
        for sample in iter_samples(file, labelled=False):
            if (key := (sample.id, sample.text)) in decided:
                yield key
