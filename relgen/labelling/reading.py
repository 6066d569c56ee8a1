"""Reads samples from files with a language model and a probe fitted to labelled ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from relgen.common import InputError, read_jsonl, stream_files, stream_rows
from relgen.data import (
    UNLABELLED,
    Exclusion,
    RelationSchema,
    Sample,
    iter_files,
    read_samples,
    with_samples,
)
from relgen.labelling.choice import choose, draw, sketcher
from relgen.labelling.fitting import fit, read_labelled
from relgen.labelling.probe import Probe
from relgen.labelling.settings import LabelSettings, ReaderSettings
from relgen.labelling.states import StateReader
from relgen.models import find_device

_CHUNK = 128
Row = tuple[list[float], list[float]]
"""The probabilities of a sample's relations, and its states in short (`sketcher`)."""


class Reading(NamedTuple):
    """Samples, what was read in each, and the numbers of those left out by reason.

    `train_micro_f1` is the probe's cross-validated score on the labelled samples; `reviewed` are
    those that a person has labelled, which are not read.
    """

    samples: list[Sample]
    rows: list[Row]
    left_out: Counter[str]
    train_micro_f1: float | None
    reviewed: list[Sample]


class Inputs(NamedTuple):
    """The files of samples to read, the labelled samples, and what must not be repeated.

    Sentences that are labelled already are never read; near copies of them are, unless
    `near_copies` is False.
    """

    files: Sequence[str | Path]
    train: str | Path
    exclude: str | Path | None = None
    near_copies: bool = True


def open_reader(settings: ReaderSettings, labelled: Sequence[Sample]) -> StateReader:
    """Load the language model; raise InputError if a labelled sample is too long for it."""
    reader = StateReader(settings.model, settings.dtype, find_device(settings.device))
    reader.check_lengths(labelled)
    return reader


def read_files(
    settings: LabelSettings, inputs: Inputs, schema: RelationSchema, log: Path, header: str
) -> Reading:
    """Read samples; `log` and `header` are those of `stream_rows`, from which it resumes."""
    labelled = read_labelled(inputs.train, schema)
    found, left_out = _given(settings, inputs, schema, labelled)
    reviewed = [sample for sample in found if sample.review is not None]
    if len(reviewed) == len(found) > 0:
        problem, remedy = "a person has labelled all samples", "train on them as they are"
        raise InputError(problem, path=inputs.files[0], remedy=remedy)
    given = [sample for sample in found if sample.review is None]
    reader = open_reader(settings, labelled)
    short = _short(given, reader, left_out, inputs.files[0])
    states = reader.read(labelled)
    probe, held_out_f1 = fit(states, labelled, schema, settings.penalty)
    work = _reading(reader, probe, sketcher(states, settings.seed))
    stream_rows(work, short, log, header, size=_CHUNK, title="Reading", total=len(short))
    rows = [(row["probabilities"], row["sketch"]) for row in read_jsonl(log)]
    stream_files(log)[1].unlink()
    return Reading(short, rows, left_out, held_out_f1, reviewed)


def chosen(
    rows: Sequence[Row], settings: LabelSettings, left_out: Counter[str]
) -> tuple[list[int], list[int]]:
    """Return the rows to keep, all certain ones or the most useful of them, and the uncertain ones.

    Counts those not chosen. Raises InputError if no row is certain enough.
    """
    most_probable, least = [max(row[0]) for row in rows], settings.least_certainty
    kept = [i for i, p in enumerate(most_probable) if p >= least]
    uncertain = [i for i, p in enumerate(most_probable) if p < least]
    if not kept:
        problem, best = "no sample is certain enough", max(most_probable)
        remedy = f"lower it (the most certain sample has {best:.2f}), or generate more"
        raise InputError(problem, field="least_certainty", value=least, remedy=remedy)
    if settings.most is not None:
        # among the certain ones: the choice prefers the least certain
        certain = [rows[i] for i in kept]
        probabilities, sketches = (torch.tensor(part) for part in zip(*certain, strict=True))
        useful = choose(probabilities, sketches, settings.most, seed=settings.seed)
        left_out["not_chosen"] = len(kept) - len(useful)
        kept = [kept[i] for i in useful]
    return kept, uncertain


def _given(
    settings: LabelSettings, inputs: Inputs, schema: RelationSchema, labelled: Sequence[Sample]
) -> tuple[list[Sample], Counter[str]]:
    """Return the samples to read, and the numbers of those left out (see `draw`)."""
    if settings.ignore_relations:
        every = iter_files(inputs.files, None, labelled=False)
        samples = (sample.with_relation(UNLABELLED) for _, sample in every)
    else:
        samples = (s for _, s in iter_files(with_samples(inputs.files), schema, labelled=False))
    test = Exclusion(read_samples(inputs.exclude) if inputs.exclude else [])
    shots = Exclusion(labelled, None) if inputs.near_copies else Exclusion(labelled)
    left_out, excluded = Counter[str](), {"test": test, "labelled": shots}
    found = draw(samples, left_out, **excluded, most=settings.pool, seed=settings.seed)
    return list(found), left_out


def _short(
    given: Sequence[Sample], reader: StateReader, left_out: Counter[str], path: str | Path
) -> list[Sample]:
    """Return the samples that fit the model's window, and count the others in `left_out`.

    Raises InputError if there is none.
    """
    short = [sample for sample in given if not reader.too_many(sample)]
    left_out["too_long"] = len(given) - len(short)
    if not short:
        why = ", ".join(f"{reason} {number}" for reason, number in left_out.items() if number)
        problem, remedy = f"all samples are left out ({why})", "give other sentences"
        raise InputError(problem, path=path, remedy=remedy)
    return short


def _reading(
    reader: StateReader, probe: Probe, sketch: Callable[[Tensor], Tensor]
) -> Callable[[Sequence[Sample]], tuple[list[dict[str, Any]], dict[str, int]]]:
    """Return a function that reads samples."""

    def work(samples: Sequence[Sample]) -> tuple[list[dict[str, Any]], dict[str, int]]:
        states = reader.read(samples)
        pairs = zip(probe.probabilities(states).tolist(), sketch(states).tolist(), strict=True)
        return [
            {"probabilities": [round(p, 6) for p in row], "sketch": [round(x, 4) for x in own]}
            for row, own in pairs
        ], {}

    return work
