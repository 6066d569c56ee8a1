"""Labels a file of generated samples by what a language model makes of each sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from relgen import __version__
from relgen.common import InputError, read_json, text_hash, write_json
from relgen.data import (
    Entity,
    PartialRows,
    Prediction,
    RelationSchema,
    Sample,
    inputs_hash,
    iter_files,
    load_schema,
    read_samples,
    with_samples,
    write_samples,
)
from relgen.evaluation import score_labels
from relgen.labelling.probe import cross_validated, fit_probe
from relgen.labelling.settings import LabelSettings
from relgen.models import find_device

_CHUNK = 128


_last_states: dict[str, Tensor] = {}


class Reader(Protocol):
    """What `label` needs of `StateReader`."""

    def read(self, samples: Sequence[Sample]) -> Tensor:
        """States (N, 4, L, H)."""
        ...


def label(
    settings: LabelSettings,
    *,
    generated: Sequence[str | Path],
    train: str | Path,
    schema: str | Path,
    out: str | Path,
    reader: Reader | None = None,
) -> dict[str, Any]:
    """Writes `out`, and beside it a summary with the ending `.json`.

    Each sample gets `scores`, its most probable relation as `relation`, and the one that it was
    written for as `provenance.intended`. An entity type that the new relation does not allow
    becomes the only one that it does, or none. Those that are less certain than the settings ask
    for go to `NAME.uncertain.jsonl` beside `out`. Killed and called again with the same settings
    and inputs, it goes on; called again when finished, it does nothing.

    Args:
        settings: see there.
        generated: samples files; the ids of all must differ.
        train: labelled samples, of two relations at least; the regression is fitted to these.
        schema: path or shipped name.
        out: samples file to write.
        reader: reads in place of the settings' model.

    Returns:
        The summary: how many samples are in `out` and how many are too uncertain; how many of the
        former are most probably what they were written for, by relation as well, and as
        `given_micro_f1` (for samples whose relations are true ones, such as a test set, the score
        of the reading itself); and `train_micro_f1`, the regression's score on labelled samples
        that it was not fitted to (None where no relation has two).

    Raises:
        InputError: an input cannot be used, or no sample is certain enough.
    """
    out = Path(out)
    summary_path = out.with_suffix(".json")
    relations = load_schema(schema)
    # what is read does not depend on what is kept of it
    read = inputs_hash(replace(settings, least_certainty=0.0), [*generated, train], relations)
    header = text_hash(f"{read} {settings.least_certainty}")
    if out.is_file() and summary_path.is_file():
        summary: dict[str, Any] = read_json(summary_path)
        if summary.get("hash") == header:
            return summary
    labelled = read_samples(train, schema=relations)
    if len({sample.relation for sample in labelled}) < 2:
        raise InputError(
            "labelling needs labelled samples of two relations at least",
            path=train,
            field="relation",
            value=labelled[0].relation,
            remedy="add samples of another relation",
        )
    written = [one for _, one in iter_files(with_samples(generated), relations)]
    partial = PartialRows(out.with_name(f".{out.name}.partial"), read)
    if reader is None:
        reader = _open(settings)
        states = _remembered(reader, labelled, inputs_hash(settings, [train], relations))
    else:
        states = reader.read(labelled)
    fitting: dict[str, Any] = {
        "labels": torch.tensor([relations.labels.index(s.relation) for s in labelled]),
        "relations": len(relations),
        "inverses": _inverses(relations),
        "penalty": settings.penalty,
    }
    probe = fit_probe(states, **fitting)
    starts = range(len(partial.rows), len(written), _CHUNK)
    for start in track(
        starts, "Labelling", console=Console(stderr=True), transient=True, disable=len(starts) < 2
    ):
        chunk = written[start : start + _CHUNK]
        probabilities = probe.probabilities(reader.read(chunk))
        partial.append([[round(float(p), 6) for p in row] for row in probabilities])
    result = [_relabel(s, relations, row) for s, row in zip(written, partial.rows, strict=True)]
    kept, uncertain = _sorted_out(written, result, settings.least_certainty)
    summary = {
        "hash": header,
        **asdict(settings),
        "samples": len(kept),
        "uncertain": len(uncertain),
        "train_micro_f1": _held_out_f1(cross_validated(states, **fitting), labelled, relations),
        **_agreement(kept, relations),
        "relgen_version": __version__,
    }
    rest = out.with_suffix(".uncertain.jsonl")
    if uncertain:
        write_samples(rest, uncertain)
    else:
        rest.unlink(missing_ok=True)
    write_samples(out, [labelled for _, labelled in kept])
    write_json(summary_path, summary)
    partial.remove()
    return summary


def _remembered(reader: Reader, labelled: Sequence[Sample], key: str) -> Tensor:
    """The states of labelled samples, kept until others are asked for.

    An experiment labels many generated sets from the same samples, one after the other.
    """
    if key not in _last_states:
        _last_states.clear()
        _last_states[key] = reader.read(labelled)
    return _last_states[key]


def _open(settings: LabelSettings) -> Reader:
    from relgen.labelling.states import StateReader

    device = find_device(settings.device)
    return StateReader(settings.model, dtype=settings.dtype, device=device)


def _inverses(schema: RelationSchema) -> list[int | None]:
    known = schema.inverses()
    return [
        schema.labels.index(known[label]) if label in known else None for label in schema.labels
    ]


def _relabel(sample: Sample, schema: RelationSchema, probabilities: Sequence[float]) -> Sample:
    said = Prediction.from_probabilities(sample.id, schema.labels, probabilities)
    known = sample.provenance or {}  # a file that is labelled again remembers the first intention
    relation = schema[said.relation]
    return replace(
        sample,
        head=_allowed(sample.head, relation.head_types),
        tail=_allowed(sample.tail, relation.tail_types),
        relation=said.relation,
        scores=said.scores,
        provenance={"intended": sample.relation, **known},
    )


def _allowed(entity: Entity, types: Sequence[str]) -> Entity:
    """An entity whose type, which the intended relation gave it, the read one does not allow."""
    if not types or entity.type is None or entity.type in types:
        return entity
    return replace(entity, type=types[0] if len(types) == 1 else None)


def _sorted_out(
    written: Sequence[Sample], labelled: Sequence[Sample], least: float
) -> tuple[list[tuple[Sample, Sample]], list[Sample]]:
    """Pairs of each sample as it was written and as it is labelled, and the uncertain ones."""
    certainty = [(sample.scores or {})[sample.relation] for sample in labelled]
    pairs = list(zip(written, labelled, strict=True))
    kept = [pair for pair, sure in zip(pairs, certainty, strict=True) if sure >= least]
    if pairs and not kept:
        raise InputError(
            "no sample is certain enough",
            field="least_certainty",
            value=least,
            remedy=f"lower it (the most certain sample has {max(certainty):.2f}), or generate more",
        )
    return kept, [s for s, sure in zip(labelled, certainty, strict=True) if sure < least]


def _agreement(pairs: Sequence[tuple[Sample, Sample]], schema: RelationSchema) -> dict[str, Any]:
    """Counts of pairs of a sample as it was written and as it is labelled."""
    intended = Counter(old.relation for old, _ in pairs)
    labelled = Counter(new.relation for _, new in pairs)
    agreed = Counter(new.relation for old, new in pairs if old.relation == new.relation)
    predicted, given = [new.relation for _, new in pairs], [old.relation for old, _ in pairs]
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


def _held_out_f1(
    probabilities: Tensor, labelled: Sequence[Sample], schema: RelationSchema
) -> float | None:
    rows = [i for i, row in enumerate(probabilities) if not row.isnan().any()]
    if not rows:
        return None
    predicted = [schema.labels[int(probabilities[i].argmax())] for i in rows]
    return score_labels(predicted, [labelled[i].relation for i in rows], schema).micro_f1
