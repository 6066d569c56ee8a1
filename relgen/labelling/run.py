"""Labels samples, generated or without a relation, with what a language model reads in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.common import (
    check_outputs,
    earlier_summary,
    inputs_hash,
    locked,
    text_hash,
    write_json,
)
from relgen.data import (
    UNLABELLED,
    Prediction,
    RelationSchema,
    Sample,
    load_schema,
    write_samples,
)
from relgen.evaluation import score_labels
from relgen.labelling.reading import Inputs, chosen, read_files
from relgen.labelling.settings import LabelSettings

_COMMAND = "label"


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
    found = earlier_summary(path, _COMMAND, [path, rest], partial)
    if found.get("hash") == header and out.is_file():
        return found
    inputs = Inputs(generated, train, exclude)
    reading = read_files(settings, inputs, relations, partial, read)
    samples, rows, left_out, held_out_f1, reviewed = reading
    known = [(sample.with_relation(UNLABELLED), sample) for sample in reviewed]
    kept, uncertain = (
        [(samples[i], _relabel(samples[i], relations, rows[i][0])) for i in part]
        for part in chosen(rows, settings, left_out)
    )
    summary = {
        "command": _COMMAND,
        "hash": header,
        **asdict(settings),
        "train_micro_f1": held_out_f1,
        **_write(out, [*kept, *known], uncertain, relations, left_out),
        "relgen_version": __version__,
    }
    write_json(path, summary)
    partial.unlink()
    return summary


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
    read_as = Counter(pair for pair in known if pair[0] != pair[1])
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
        "read_as": {
            label: {new: n for (old, new), n in read_as.items() if old == label}
            for label in dict.fromkeys(old for old, _ in read_as)
        },
    }
