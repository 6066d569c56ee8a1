"""Labels samples by a probe that is fitted to labelled ones, a chunk of them at a time."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from relgen.common import InputError
from relgen.data import (
    UNLABELLED,
    Exclusion,
    Prediction,
    RelationSchema,
    Sample,
    iter_files,
    read_samples,
    sample_columns,
    with_samples,
)
from relgen.labelling.choice import Row, draw_sentences, sketcher
from relgen.labelling.fitting import fit, read_labelled
from relgen.labelling.probe import Probe
from relgen.labelling.settings import LEFT_OUT, LabelSettings, ReaderSettings
from relgen.labelling.states import StateReader
from relgen.models import find_device, unknown_language

if TYPE_CHECKING:
    import pyarrow

CHUNK = 128


@dataclass(frozen=True)
class LabelTask:
    """A probe to fit to the samples in `train`, to read others with, without those in `exclude`.

    Sentences without a relation that are labelled already are never read; near copies of them are,
    unless `near_copies` is False.
    """

    settings: LabelSettings
    schema: RelationSchema
    train: str | Path
    exclude: str | Path | None
    near_copies: bool = True

    @property
    def files(self) -> list[str | Path]:
        """Return the files that the probe and the choice of samples depend on."""
        return [self.train, *([self.exclude] if self.exclude else [])]

    def samples(self, paths: Sequence[str | Path]) -> Iterator[Sample]:
        """Yield the samples of files, one in memory at a time."""
        ignored = self.settings.ignore_relations
        given = paths if ignored else with_samples(paths)
        found = iter_files(given, None if ignored else self.schema, labelled=False)
        return (sample for _, sample in found)


def open_reader(settings: ReaderSettings, labelled: Sequence[Sample]) -> StateReader:
    """Load the language model; raise InputError if a labelled sample is too long for it.

    Warns if the samples are in a language that it does not know.
    """
    reader = StateReader(settings.model, settings.dtype, find_device(settings.device))
    reader.check_lengths(labelled)
    if advice := unknown_language(reader.tokenizer, labelled, model=settings.model):
        print(f"warning: {advice}", file=sys.stderr)
    return reader


class Labeller:
    """Labels samples; loads the language model.

    Args:
        fitted: the probe and its cross-validated score; fitted here for None.
    """

    def __init__(self, task: LabelTask, fitted: tuple[Probe, float | None] | None = None) -> None:
        self.task, settings = task, task.settings
        labelled = read_labelled(task.train, task.schema)
        self.test = Exclusion(read_samples(task.exclude) if task.exclude else [])
        self.shots = Exclusion(labelled, None) if task.near_copies else Exclusion(labelled)
        self.reader = open_reader(settings, labelled)
        if fitted is None:
            states = self.reader.read(labelled)
            fitted = fit(states, labelled, task.schema, settings.penalty)
            self.sketch = sketcher(states, settings.seed)
            self.known = self.sketch(states)  # (K, D)
        self.fitted = fitted

    def usable(
        self, samples: Iterable[Sample], left_out: Counter[str], reviewed: list[Sample]
    ) -> Iterator[Sample]:
        """Yield the samples to read (see `draw_sentences`), and count the others by reason.

        Those that a person reviewed are appended to a list instead.
        """
        settings = self.task.settings
        if settings.ignore_relations:
            samples = (sample.with_relation(UNLABELLED) for sample in samples)
        excluded = {"test": self.test, "labelled": self.shots}
        for sample in draw_sentences(
            samples, left_out, **excluded, most=settings.pool, seed=settings.seed
        ):
            if sample.review is not None:
                reviewed.append(sample)
            elif self.reader.too_many(sample):
                left_out["too_long"] += 1
            else:
                yield sample

    def __call__(self, samples: Sequence[Sample]) -> tuple[list[dict[str, Any]], Counter[str]]:
        """Return a row for each sample, and nothing to count.

        A row has the labelled `sample` as JSON, the relation that it had as `intended`, and, where
        samples are chosen, its states in short (`sketch`).
        """
        states, labels = self.reader.read(samples), self.task.schema.labels
        rows: list[dict[str, Any]] = []
        for sample, found in zip(samples, self.fitted[0].probabilities(states), strict=True):
            read = Prediction.from_probabilities(sample.id, labels, found.tolist())
            intended = None if sample.relation == UNLABELLED else sample.relation
            labelled = _relabel(sample, self.task.schema, read)
            rows.append({"sample": labelled.to_json(), "intended": intended})
        if self.task.settings.most is not None:
            for row, sketch in zip(rows, self.sketch(states).tolist(), strict=True):
                row["sketch"] = [round(x, 4) for x in sketch]
        return rows, Counter()

    def columns(self) -> pyarrow.Schema:
        """Return the columns of labelled samples in Parquet."""
        return sample_columns(self.task.schema.labels)


def refuse_none(path: str | Path, left_out: Counter[str], reviewed: Sequence[Sample]) -> NoReturn:
    """Raise InputError, which says why no sample of a file is to be read."""
    if reviewed:
        problem, remedy = "a person has labelled all samples", "train on them as they are"
        raise InputError(problem, path=path, remedy=remedy)
    why = ", ".join(f"{number} {LEFT_OUT[reason]}" for reason, number in left_out.items() if number)
    problem, remedy = f"all samples are left out ({why})", "give other sentences"
    raise InputError(problem, path=path, remedy=remedy)


def read_row(row: dict[str, Any], schema: RelationSchema) -> Row:
    """Return the probabilities and the sketch of a row that a labeller wrote."""
    return [row["sample"]["scores"][label] for label in schema.labels], row["sketch"]


def _relabel(sample: Sample, schema: RelationSchema, read: Prediction) -> Sample:
    known = dict(sample.provenance or {})  # relabelling keeps the first one
    if sample.relation != UNLABELLED:
        known = {"intended": sample.relation, **known}
    labelled = replace(sample, relation=read.relation, scores=read.scores, provenance=known or None)
    return labelled.typed_for(schema[read.relation])
