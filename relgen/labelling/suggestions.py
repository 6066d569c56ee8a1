"""Suggests what a person should look at: sentences to label next, and labels that may be wrong."""

from __future__ import annotations

import csv
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from relgen.common import (
    InputError,
    atomic_writer,
    check_outputs,
    inputs_hash,
    read_jsonl,
    recorded,
    refuse_unrecorded,
    stream_files,
    stream_rows,
    stream_state,
    tracked,
    upcast,
    write_jsonl,
)
from relgen.data import RelationSchema, Sample, load_schema
from relgen.labelling.choice import select_rows
from relgen.labelling.confident import likelier_labels
from relgen.labelling.fitting import cross_validate, read_labelled, train_micro_f1
from relgen.labelling.labeller import CHUNK, Labeller, LabelTask, open_reader, read_row, refuse_none
from relgen.labelling.settings import LabelSettings, ReaderSettings, SuggestOptions
from relgen.labelling.states import StateReader
from relgen.labelling.tally import certainty


def suggest(options: SuggestOptions) -> dict[str, Any]:
    """Suggest sentences to label, or labels to look at again, and write them to `out` if given.

    Returns:
        `rows`, each a sample with the reader's `guess` and its `probability`: without a relation
        and the most valuable first, or, with `errors`, with the relation that may be wrong and its
        own `given_probability`, the worst first. Beside it `read`, the number of sentences read,
        `left_out` by reason, or `found` and `not_judged`, the numbers of labels that may be wrong
        and of samples whose relation has no other one to learn from; and `train_micro_f1`, the
        reader's cross-validated score on the labelled samples.

    Raises InputError if an input cannot be used, or `out` exists and `force` is not given.
    """
    schema = load_schema(options.schema)
    if options.out is not None:
        if Path(options.out).suffix == ".parquet":
            remedy = "name a file that ends in .jsonl or .csv"
            raise InputError("suggestions are no Parquet", path=options.out, remedy=remedy)
        inputs = (options.train, options.unlabelled, options.exclude, options.schema)
        check_outputs([options.out, _log_path(options.out)], inputs)
        stream_state(_log_path(options.out), "suggest")
        refuse_unrecorded([options.out], "suggest")
        if Path(options.out).exists() and not options.force:
            remedy = "give another --out, or --force to replace them"
            raise InputError("suggestions are here already", path=options.out, remedy=remedy)
    summary = _errors(options, schema) if options.errors else _sentences(options, schema)
    if options.out is not None:
        table = Path(options.out).suffix.lower() == ".csv"
        with recorded([options.out], "suggest"):
            (_write_csv if table else write_jsonl)(options.out, summary["rows"])
    return summary


def _sentences(options: SuggestOptions, schema: RelationSchema) -> dict[str, Any]:
    """Return the sentences whose labels would tell most (see `choice.choose_valuable`)."""
    settings = LabelSettings(
        **asdict(upcast(ReaderSettings, options)),
        pool=options.pool,
        most=options.number,
        seed=options.seed,
        ignore_relations=True,
    )
    path = str(options.unlabelled)
    task = LabelTask(settings, schema, options.train, options.exclude, near_copies=False)
    header = inputs_hash(settings, [path, *task.files], schema.to_dict())
    labeller, left_out, reviewed = Labeller(task), Counter[str](), list[Sample]()
    samples = list(labeller.usable(task.samples([path]), left_out, reviewed))
    if not samples:
        refuse_none(path, left_out, reviewed)
    with _log(options.out) as log:
        bar: dict[str, Any] = {"title": "Reading", "total": len(samples)}
        stream_rows(labeller, samples, log, header, size=CHUNK, **bar)
        stream_files(log)[1].unlink()
        read = list(read_jsonl(log))
    found = [read_row(row, schema) for row in read]
    kept = select_rows(found, labeller.known, settings, left_out)
    rows = []
    for i in kept:
        # what is known of another relation of the sentence must not stand beside a new one
        bare = replace(samples[i], scores=None, provenance=None).to_json()
        guess = {"guess": read[i]["sample"]["relation"], "probability": certainty(read[i])}
        rows.append({**bare, "relation": None, **guess})
    return {
        "rows": rows,
        "read": len(read),
        "left_out": {why: number for why, number in left_out.items() if number},
        "train_micro_f1": labeller.fitted[1],
    }


def _errors(options: SuggestOptions, schema: RelationSchema) -> dict[str, Any]:
    """Return the labelled samples whose label is probably wrong."""
    labelled = read_labelled(options.train, schema)
    states = _states(open_reader(options, labelled), labelled)
    probabilities = cross_validate(states, labelled, schema, options.penalty)
    labels = torch.tensor([schema.labels.index(sample.relation) for sample in labelled])
    likelier = likelier_labels(probabilities, labels).tolist()
    rows = []
    for sample, row, own, guess in zip(
        labelled, probabilities.tolist(), labels.tolist(), likelier, strict=True
    ):
        if guess >= 0:
            read = {"guess": schema.labels[guess], "probability": round(row[guess], 6)}
            rows.append({**sample.to_json(), **read, "given_probability": round(row[own], 6)})
    # which puts more of the wrong ones first than the difference of both probabilities
    rows.sort(key=lambda row: row["given_probability"])
    return {
        "rows": rows[: options.number],
        "read": len(labelled),
        "found": len(rows),
        "not_judged": int(probabilities.isnan().any(dim=1).sum()),
        "train_micro_f1": train_micro_f1(probabilities, labelled, schema),
    }


def _states(reader: StateReader, samples: Sequence[Sample]) -> Tensor:
    """Return the states of all samples, with a progress bar."""
    starts = range(0, len(samples), CHUNK)
    shown = tracked(starts, "Reading", shown=len(starts) > 1)
    return torch.cat([reader.read(samples[start : start + CHUNK]) for start in shown])


@contextmanager
def _log(out: str | None) -> Iterator[Path]:
    """Give the log from which reading resumes: beside `out` until all is read."""
    if out is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "log"
        return
    yield _log_path(out)
    _log_path(out).unlink()


def _log_path(out: str) -> Path:
    return Path(out).with_name(f".{Path(out).name}.partial")


def _write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table that `relgen data convert --format csv` reads, and spreadsheets open."""
    flat = [_flat(row) for row in rows]
    with atomic_writer(path) as stream:
        stream.write("\ufeff")  # without it, Excel takes UTF-8 for another encoding
        columns = dict.fromkeys(name for row in flat for name in row)  # not all have a group
        writer = csv.DictWriter(stream, [*columns] or ["text", "guess"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sample's row with each value in a column of its own."""
    ends = {
        role if key == "mention" else f"{role}_{key}": value
        for role in ("head", "tail")
        for key, value in {
            "mention": row["text"][row[role]["start"] : row[role]["end"]],
            **row[role],
        }.items()
    }
    read = {key: row[key] for key in ("guess", "probability", "given_probability") if key in row}
    group = {"group": row["group"]} if "group" in row else {}
    return {
        "id": row["id"],
        "text": row["text"],
        **ends,
        "relation": row["relation"],
        **read,
        **group,
    }
