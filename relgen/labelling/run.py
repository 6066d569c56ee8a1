"""Labels generated samples with the relations that a language model reads in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from relgen import __version__
from relgen.common import (
    InputError,
    check_outputs,
    inputs_hash,
    map_in_chunks,
    read_json,
    refuse_foreign,
    text_hash,
    write_json,
)
from relgen.data import (
    Entity,
    Prediction,
    RelationSchema,
    Sample,
    iter_files,
    load_schema,
    read_samples,
    with_samples,
    write_samples,
)
from relgen.evaluation import score_labels
from relgen.labelling.probe import Probe, cross_validated, fit_probe
from relgen.labelling.settings import LabelSettings
from relgen.labelling.states import StateReader
from relgen.models import find_device


def label(
    settings: LabelSettings,
    *,
    generated: Sequence[str | Path],
    train: str | Path,
    schema: str | Path,
    out: str | Path,
) -> dict[str, Any]:
    """Label generated samples; write `out`, and next to it a summary with the suffix `.json`.

    Each sample gets `scores`, its most probable relation as `relation`, and the one that it was
    written for as `provenance.intended`. An entity type that the new relation does not allow is
    replaced by the only one that it allows, or removed. Samples below the least certainty go to
    `NAME.uncertain.jsonl` next to `out`. Called again, it resumes, or returns the finished summary.

    Args:
        generated: samples files without a repeated id.
        train: labelled samples of at least two relations, which the probe is fitted to.
        schema: path or shipped name.

    Returns:
        The summary: the settings; the numbers of samples and of uncertain ones; how many labels
        agree with the intended relations; and `train_micro_f1`, the probe's cross-validated score
        on the labelled samples.

    Raises:
        InputError: an input cannot be used, or no sample is certain enough.
    """
    out, relations = Path(out), load_schema(schema)
    content = relations.to_dict()
    # the probabilities do not depend on the least certainty
    read = inputs_hash(replace(settings, least_certainty=0.0), [*generated, train], content)
    header, path = text_hash(f"{read} {settings.least_certainty}"), out.with_suffix(".json")
    rest, partial = out.with_suffix(".uncertain.jsonl"), out.with_name(f".{out.name}.partial")
    check_outputs([out, path, rest, partial], [*generated, train, schema])
    if (summary := _earlier_summary(path, rest, partial)).get("hash") == header and out.is_file():
        return summary
    labelled = _read_labelled(train, relations)
    written = [sample for _, sample in iter_files(with_samples(generated), relations)]
    reader = StateReader(settings.model, settings.dtype, find_device(settings.device))
    reader.check_lengths([*labelled, *written])
    probe, held_out_f1 = _fit(reader.read(labelled), labelled, relations, settings.penalty)

    def probabilities(samples: Sequence[Sample]) -> list[list[float]]:
        found = probe.probabilities(reader.read(samples))  # (N, R)
        return [[round(p, 6) for p in row] for row in found.tolist()]

    rows = map_in_chunks(probabilities, written, partial, read, title="Labelling")
    pairs = [(s, _relabel(s, relations, row)) for s, row in zip(written, rows, strict=True)]
    summary = {
        "hash": header,
        **asdict(settings),
        "train_micro_f1": held_out_f1,
        **_write(out, pairs, relations, settings.least_certainty),
        "relgen_version": __version__,
    }
    write_json(path, summary)
    partial.unlink()
    return summary


def _earlier_summary(path: Path, rest: Path, partial: Path) -> dict[str, Any]:
    """Return the summary of an earlier run, if any; refuse to write over files of others.

    A run that was stopped has left `partial`.
    """
    found = read_json(path) if path.is_file() else {}
    if isinstance(found, dict) and "hash" in found:
        return found
    if not partial.exists():
        refuse_foreign([path, rest], "label")
    return {}


def _read_labelled(train: str | Path, schema: RelationSchema) -> list[Sample]:
    labelled = read_samples(train, schema=schema)
    if len({sample.relation for sample in labelled}) < 2:
        problem = "labelling needs labelled samples of at least two relations"
        remedy = "add samples of another relation"
        raise InputError(
            problem, path=train, field="relation", value=labelled[0].relation, remedy=remedy
        )
    return labelled


def _fit(
    states: Tensor, labelled: Sequence[Sample], schema: RelationSchema, penalty: float
) -> tuple[Probe, float | None]:
    """Return the probe and its cross-validated micro-F1: None if no relation has two samples."""
    inverses = schema.inverses()
    numbers = {label: number for number, label in enumerate(schema.labels)}
    fitting: dict[str, Any] = {
        "labels": torch.tensor([numbers[sample.relation] for sample in labelled]),
        "inverses": [numbers.get(inverses.get(label, "")) for label in schema.labels],
        "penalty": penalty,
    }
    probabilities = cross_validated(states, **fitting)  # (N, R)
    rows = [i for i, row in enumerate(probabilities) if not row.isnan().any()]
    predicted = [schema.labels[int(probabilities[i].argmax())] for i in rows]
    scores = score_labels(predicted, [labelled[i].relation for i in rows], schema)
    return fit_probe(states, **fitting), scores.micro_f1 if rows else None


def _relabel(sample: Sample, schema: RelationSchema, probabilities: Sequence[float]) -> Sample:
    read = Prediction.from_probabilities(sample.id, schema.labels, probabilities)
    known = sample.provenance or {}  # relabelling keeps the first one
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
    if not types or entity.type is None or entity.type in types:
        return entity
    return replace(entity, type=types[0] if len(types) == 1 else None)


def _write(
    out: Path, pairs: Sequence[tuple[Sample, Sample]], schema: RelationSchema, least: float
) -> dict[str, Any]:
    """Write the samples files of pairs (written, labelled), and count the labels that agree.

    `given_micro_f1` is the labels' score against the intended relations: the quality of the
    labelling if these are true, as in a test set.
    """
    certain = [max((labelled.scores or {}).values()) for _, labelled in pairs]
    kept = [pair for pair, value in zip(pairs, certain, strict=True) if value >= least]
    left_out = [pair[1] for pair, value in zip(pairs, certain, strict=True) if value < least]
    if pairs and not kept:
        problem = "no sample is certain enough"
        remedy = f"lower it (the most certain sample has {max(certain):.2f}), or generate more"
        raise InputError(problem, field="least_certainty", value=least, remedy=remedy)
    rest = out.with_suffix(".uncertain.jsonl")
    if left_out:
        write_samples(rest, left_out)
    else:
        rest.unlink(missing_ok=True)
    write_samples(out, [labelled for _, labelled in kept])
    given = [written.relation for written, _ in kept]
    predicted = [labelled.relation for _, labelled in kept]
    counts = {
        "intended": Counter(given),
        "labelled": Counter(predicted),
        "agreed": Counter(new for old, new in zip(given, predicted, strict=True) if old == new),
    }
    return {
        "samples": len(kept),
        "uncertain": len(left_out),
        "agreed": counts["agreed"].total(),
        "given_micro_f1": score_labels(predicted, given, schema).micro_f1,
        "relations": {
            label: {name: count[label] for name, count in counts.items()} for label in schema.labels
        },
    }
