"""Labelling of generated samples with the relations that a language model reads in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from relgen import __version__
from relgen.common import InputError, read_json, text_hash, write_json
from relgen.data import (
    Entity,
    Prediction,
    RelationSchema,
    ResumableRows,
    Sample,
    inputs_hash,
    iter_files,
    load_schema,
    read_samples,
    with_samples,
    write_samples,
)
from relgen.evaluation import score_labels
from relgen.labelling.probe import Probe, cross_validated, fit_probe
from relgen.labelling.settings import LabelSettings
from relgen.models import find_device

_CHUNK = 128


_last_states: dict[str, Tensor] = {}


class Reader(Protocol):
    """The part of `StateReader` that `label` needs."""

    def read(self, samples: Sequence[Sample]) -> Tensor:
        """Return states (N, 4, L, H)."""
        ...


class _Pair(NamedTuple):
    """A sample as it was written, and as it is labelled."""

    written: Sample
    labelled: Sample

    @property
    def certainty(self) -> float:
        return (self.labelled.scores or {})[self.labelled.relation]


def label(
    settings: LabelSettings,
    *,
    generated: Sequence[str | Path],
    train: str | Path,
    schema: str | Path,
    out: str | Path,
    reader: Reader | None = None,
) -> dict[str, Any]:
    """Label generated samples; write `out`, and beside it a summary with the suffix `.json`.

    Each sample gets `scores`, its most probable relation as `relation`, and the one that it was
    written for as `provenance.intended`. An entity type that the new relation does not allow is
    replaced by the only one that it allows, or removed. Samples below the certainty that the
    settings ask for go to `NAME.uncertain.jsonl` beside `out`. If interrupted, the same call
    resumes; if finished, it does nothing.

    Args:
        settings: see there.
        generated: samples files; the ids of all must differ.
        train: labelled samples of at least two relations, which the regression is fitted to.
        schema: path or shipped name.
        out: samples file to write.
        reader: replaces the settings' model.

    Returns:
        The summary: the settings; the numbers of samples and of uncertain ones; how many labels
        agree with the intended relations; and `train_micro_f1`, the regression's cross-validated
        score on the labelled samples.

    Raises:
        InputError: an input cannot be used, or no sample is certain enough.
    """
    out, relations = Path(out), load_schema(schema)
    # the probabilities do not depend on which samples are kept
    read = inputs_hash(replace(settings, least_certainty=0.0), [*generated, train], relations)
    header = text_hash(f"{read} {settings.least_certainty}")
    if (finished := _finished_summary(out, header)) is not None:
        return finished
    labelled = _read_labelled(train, relations)
    written = [one for _, one in iter_files(with_samples(generated), relations)]
    partial = ResumableRows(out.with_name(f".{out.name}.partial"), read)
    key = None if reader else inputs_hash(settings, [train], relations)
    reader = reader or _open(settings)
    states = _remembered(reader, labelled, key)
    probe, held_out_f1 = _fit(states, labelled, relations, settings.penalty)
    _read_rows(written, reader, probe, partial)
    result = [_relabel(s, relations, row) for s, row in zip(written, partial.rows, strict=True)]
    known = {"hash": header, **asdict(settings), "train_micro_f1": held_out_f1}
    summary = _write(out, list(map(_Pair, written, result)), relations, known)
    partial.remove()
    return summary


def _finished_summary(out: Path, header: str) -> dict[str, Any] | None:
    """Return the summary of an earlier call with the same settings and inputs."""
    path = out.with_suffix(".json")
    if out.is_file() and path.is_file():
        summary: dict[str, Any] = read_json(path)
        if summary.get("hash") == header:
            return summary
    return None


def _read_labelled(train: str | Path, schema: RelationSchema) -> list[Sample]:
    labelled = read_samples(train, schema=schema)
    if len({sample.relation for sample in labelled}) < 2:
        raise InputError(
            "labelling needs labelled samples of two relations at least",
            path=train,
            field="relation",
            value=labelled[0].relation,
            remedy="add samples of another relation",
        )
    return labelled


def _open(settings: LabelSettings) -> Reader:
    from relgen.labelling.states import StateReader

    device = find_device(settings.device)
    return StateReader(settings.model, dtype=settings.dtype, device=device)


def _remembered(reader: Reader, labelled: Sequence[Sample], key: str | None) -> Tensor:
    """Return the states of labelled samples, cached until another key; not cached without one.

    An experiment labels many generated sets from the same samples, one after the other.
    """
    if key is None:
        return reader.read(labelled)
    if key not in _last_states:
        _last_states.clear()
        _last_states[key] = reader.read(labelled)
    return _last_states[key]


def _fit(
    states: Tensor, labelled: Sequence[Sample], schema: RelationSchema, penalty: float
) -> tuple[Probe, float | None]:
    """Fit the probe to labelled samples.

    Returns:
        The probe, and its cross-validated micro-F1; None if no relation has two samples.
    """
    known = schema.inverses()
    numbers = {label: number for number, label in enumerate(schema.labels)}
    fitting: dict[str, Any] = {
        "labels": torch.tensor([numbers[sample.relation] for sample in labelled]),
        "relations": len(schema),
        "inverses": [numbers.get(known.get(label, "")) for label in schema.labels],
        "penalty": penalty,
    }
    probabilities = cross_validated(states, **fitting)  # (N, R)
    rows = [i for i, row in enumerate(probabilities) if not row.isnan().any()]
    held_out_f1 = None
    if rows:
        predicted = [schema.labels[int(probabilities[i].argmax())] for i in rows]
        gold = [labelled[i].relation for i in rows]
        held_out_f1 = score_labels(predicted, gold, schema).micro_f1
    return fit_probe(states, **fitting), held_out_f1


def _read_rows(
    written: Sequence[Sample], reader: Reader, probe: Probe, partial: ResumableRows
) -> None:
    """Append the probabilities of the samples that have none yet, chunk by chunk."""
    starts = range(len(partial.rows), len(written), _CHUNK)
    for start in track(
        starts, "Labelling", console=Console(stderr=True), transient=True, disable=len(starts) < 2
    ):
        probabilities = probe.probabilities(reader.read(written[start : start + _CHUNK]))
        partial.append([[round(float(p), 6) for p in row] for row in probabilities])


def _relabel(sample: Sample, schema: RelationSchema, probabilities: Sequence[float]) -> Sample:
    read = Prediction.from_probabilities(sample.id, schema.labels, probabilities)
    known = sample.provenance or {}  # a file that is labelled again keeps the first intention
    relation = schema[read.relation]
    return replace(
        sample,
        head=_allowed(sample.head, relation.head_types),
        tail=_allowed(sample.tail, relation.tail_types),
        relation=read.relation,
        scores=read.scores,
        provenance={"intended": sample.relation, **known},
    )


def _allowed(entity: Entity, types: Sequence[str]) -> Entity:
    """Return the entity with a type that the relation allows; the intended one gave it its own."""
    if not types or entity.type is None or entity.type in types:
        return entity
    return replace(entity, type=types[0] if len(types) == 1 else None)


def _write(
    out: Path, pairs: Sequence[_Pair], schema: RelationSchema, known: dict[str, Any]
) -> dict[str, Any]:
    """Write the samples files, and last the summary, which is returned.

    Args:
        out: the samples file.
        pairs: certain and uncertain samples.
        schema: the relations.
        known: the settings and other parts of the summary.

    Raises:
        InputError: no sample is certain enough.
    """
    least = known["least_certainty"]
    kept = [pair for pair in pairs if pair.certainty >= least]
    uncertain = [pair.labelled for pair in pairs if pair.certainty < least]
    if pairs and not kept:
        most = max(pair.certainty for pair in pairs)
        raise InputError(
            "no sample is certain enough",
            field="least_certainty",
            value=least,
            remedy=f"lower it (the most certain sample has {most:.2f}), or generate more",
        )
    rest = out.with_suffix(".uncertain.jsonl")
    if uncertain:
        write_samples(rest, uncertain)
    else:
        rest.unlink(missing_ok=True)
    write_samples(out, [pair.labelled for pair in kept])
    counts = {"samples": len(kept), "uncertain": len(uncertain), **_agreement(kept, schema)}
    summary = {**known, **counts, "relgen_version": __version__}
    write_json(out.with_suffix(".json"), summary)
    return summary


def _agreement(pairs: Sequence[_Pair], schema: RelationSchema) -> dict[str, Any]:
    """Count how often samples are labelled with the relation that they were written for.

    Returns:
        `agreed`, their number; the same by relation; and `given_micro_f1`, the labels' score
        against the intended relations. For samples with true relations, such as a test set, that
        is the score of the reading.
    """
    given = [pair.written.relation for pair in pairs]
    predicted = [pair.labelled.relation for pair in pairs]
    intended, labelled = Counter(given), Counter(predicted)
    agreed = Counter(new for old, new in zip(given, predicted, strict=True) if old == new)
    return {
        "agreed": agreed.total(),
        "given_micro_f1": score_labels(predicted, given, schema).micro_f1,
        "relations": {
            label: {
                "intended": intended[label],
                "labelled": labelled[label],
                "agreed": agreed[label],
            }
            for label in schema.labels
        },
    }
