"""Labels samples, generated or without a relation, with what a language model reads in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from relgen import __version__
from relgen.common import (
    InputError,
    check_outputs,
    earlier_summary,
    inputs_hash,
    locked,
    map_in_chunks,
    text_hash,
    write_json,
)
from relgen.data import (
    UNLABELLED,
    Exclusion,
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
from relgen.labelling.choice import choose, draw, sketcher
from relgen.labelling.fitting import fit, read_labelled
from relgen.labelling.probe import Probe
from relgen.labelling.settings import LabelSettings
from relgen.labelling.states import StateReader
from relgen.models import find_device

_COMMAND = "label"
_Row = tuple[list[float], list[float]]
"""The probabilities of a sample's relations, and its states in short (`sketcher`)."""


def label(
    settings: LabelSettings,
    *,
    generated: Sequence[str | Path],
    train: str | Path,
    schema: str | Path,
    out: str | Path,
    exclude: str | Path | None = None,
) -> dict[str, Any]:
    """Label samples; write `out`, and next to it a summary with the suffix `.json`.

    Each sample gets `scores`, its most probable relation as `relation`, and the one that it had, if
    any, as `provenance.intended`. One that a person reviewed is kept as it is, at the end. An
    entity type that the new relation does not allow is replaced by the only one that it allows, or
    removed. Samples below the least certainty go to `NAME.uncertain.jsonl` next to `out`. Called
    again, it resumes, or returns the finished summary.

    Args:
        generated: files of samples, generated or without a relation; no id may be repeated.
        train: labelled samples of at least two relations, which the probe is fitted to.
        schema: path or shipped name.
        exclude: samples whose ids, texts and near copies are left out, such as the test set.

    Returns:
        The summary: the settings; the numbers of samples, and of those left out by reason; how many
        labels agree with the samples' own relations; and `train_micro_f1`, the probe's
        cross-validated score on the labelled samples.

    Raises InputError if an input cannot be used, no sample is left, or certain enough, or another
    process writes to the folder of `out`.
    """
    with locked(Path(out).parent):
        return _label(settings, generated, train, schema, Path(out), exclude)


def _label(
    settings: LabelSettings,
    generated: Sequence[str | Path],
    train: str | Path,
    schema: str | Path,
    out: Path,
    exclude: str | Path | None,
) -> dict[str, Any]:
    relations = load_schema(schema)
    files = [*generated, train, *([exclude] if exclude else [])]
    content = {**relations.to_dict(), "exclude": exclude is not None}
    # the probabilities do not depend on the least certainty
    read = inputs_hash(replace(settings, least_certainty=0.0), files, content)
    header, path = text_hash(f"{read} {settings.least_certainty}"), out.with_suffix(".json")
    rest, partial = out.with_suffix(".uncertain.jsonl"), out.with_name(f".{out.name}.partial")
    check_outputs([out, path, rest, partial], [*files, schema])
    earlier = earlier_summary(path, _COMMAND, [path, rest], partial)
    if earlier.get("hash") == header and out.is_file():
        return earlier
    labelled = read_labelled(train, relations)
    found, left_out = _given(settings, generated, relations, labelled, exclude)
    reviewed = [(s.with_relation(UNLABELLED), s) for s in found if s.review is not None]
    if len(reviewed) == len(found) > 0:
        problem, remedy = "a person has labelled all samples", "train on them as they are"
        raise InputError(problem, path=generated[0], remedy=remedy)
    given = [sample for sample in found if sample.review is None]
    reader = StateReader(settings.model, settings.dtype, find_device(settings.device))
    reader.check_lengths(labelled)
    short = _short(given, reader, left_out, generated[0])
    states = reader.read(labelled)
    probe, held_out_f1 = fit(states, labelled, relations, settings.penalty)
    work = _reading(reader, probe, sketcher(states, settings.seed))
    rows = map_in_chunks(work, short, partial, read, title="Labelling")
    kept, uncertain = (
        [(short[i], _relabel(short[i], relations, rows[i][0])) for i in part]
        for part in _chosen(rows, settings, left_out)
    )
    summary = {
        "command": _COMMAND,
        "hash": header,
        **asdict(settings),
        "train_micro_f1": held_out_f1,
        **_write(out, [*kept, *reviewed], uncertain, relations, left_out),
        "relgen_version": __version__,
    }
    write_json(path, summary)
    partial.unlink()
    return summary


def _given(
    settings: LabelSettings,
    paths: Sequence[str | Path],
    schema: RelationSchema,
    labelled: Sequence[Sample],
    exclude: str | Path | None,
) -> tuple[list[Sample], Counter[str]]:
    """Return the samples to read, and the numbers of those left out (see `draw`)."""
    if settings.ignore_relations:
        found = iter_files(paths, None, labelled=False)
        samples = (sample.with_relation(UNLABELLED) for _, sample in found)
    else:
        samples = (s for _, s in iter_files(with_samples(paths), schema, labelled=False))
    test = Exclusion(read_samples(exclude) if exclude else [])
    shots = Exclusion(labelled, None)
    return draw(samples, test=test, labelled=shots, most=settings.pool, seed=settings.seed)


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
) -> Callable[[Sequence[Sample]], list[_Row]]:
    """Return a function that reads samples."""

    def work(samples: Sequence[Sample]) -> list[_Row]:
        states = reader.read(samples)
        pairs = zip(probe.probabilities(states).tolist(), sketch(states).tolist(), strict=True)
        return [([round(p, 6) for p in row], [round(x, 4) for x in own]) for row, own in pairs]

    return work


def _chosen(
    rows: Sequence[_Row], settings: LabelSettings, left_out: Counter[str]
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
        chosen = choose(probabilities, sketches, settings.most, seed=settings.seed)
        left_out["not_chosen"] = len(kept) - len(chosen)
        kept = [kept[i] for i in chosen]
    return kept, uncertain


def _relabel(sample: Sample, schema: RelationSchema, probabilities: Sequence[float]) -> Sample:
    read = Prediction.from_probabilities(sample.id, schema.labels, probabilities)
    known = dict(sample.provenance or {})  # relabelling keeps the first one
    if sample.relation != UNLABELLED:
        known = {"intended": sample.relation, **known}
    labelled = replace(sample, relation=read.relation, scores=read.scores, provenance=known or None)
    return labelled.typed_for(schema[read.relation])


def _write(
    out: Path,
    kept: Sequence[tuple[Sample, Sample]],
    uncertain: Sequence[tuple[Sample, Sample]],
    schema: RelationSchema,
    others: Counter[str],
) -> dict[str, Any]:
    """Write the samples files of pairs (written, labelled), and count the labels that agree.

    `given_micro_f1` is the labels' score against the intended relations, None without any: the
    quality of the labelling if these are true, as in a test set.
    """
    rest = out.with_suffix(".uncertain.jsonl")
    if uncertain:
        write_samples(rest, [labelled for _, labelled in uncertain])
    else:
        rest.unlink(missing_ok=True)
    write_samples(out, [labelled for _, labelled in kept])
    known = [(s.relation, new.relation) for s, new in kept if s.relation != UNLABELLED]
    given, predicted = [old for old, _ in known], [new for _, new in known]
    counts = {
        "intended": Counter(given),
        "labelled": Counter(labelled.relation for _, labelled in kept),
        "agreed": Counter(old for old, new in known if old == new),
    }
    return {
        "samples": len(kept),
        "uncertain": len(uncertain),
        "left_out": {why: number for why, number in others.items() if number},
        "agreed": counts["agreed"].total(),
        "given_micro_f1": score_labels(predicted, given, schema).micro_f1 if known else None,
        "relations": {
            label: {name: count[label] for name, count in counts.items()} for label in schema.labels
        },
    }
