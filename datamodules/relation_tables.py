"""Samples tables to tables of token ids, and rows of these to batches."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from relgen.classifiers.base import Batch, Encoded, Encoding, collate
from relgen.files import text_hash
from relgen.samples import Entity, Sample

_UNKNOWN = -1
# keys the cache of encoded tables: raise it when `encode_rows` changes
_VERSION = 2


def encode_table(
    table: Dataset, encoding: Encoding, *, labels: tuple[str, ...], generated: bool
) -> Dataset:
    """A table's token ids, from the cache when file, encoding and labels are the same.

    Args:
        table: has the columns of `relgen.tables.FEATURES`.
        encoding: the classifier's.
        labels: the schema's labels; empty when labels are unknown.
        generated: whether a language model wrote the samples.
    """
    # a fingerprint of our own: that of `datasets` overlooks edits of the function, and changes
    # with the tokenizer's state
    key = f"{table._fingerprint}/{encoding.key}/{labels}/{generated}/{_VERSION}"
    return table.map(
        encode_rows,
        batched=True,
        remove_columns=table.column_names,
        fn_kwargs={"encoding": encoding, "labels": labels, "generated": generated},
        new_fingerprint=text_hash(key)[:16],
        desc="tokenise",
    )


def encode_rows(
    rows: dict[str, list[Any]], *, encoding: Encoding, labels: tuple[str, ...], generated: bool
) -> dict[str, list[Any]]:
    """Columns of a samples table to columns of token ids.

    Args:
        rows: the columns of `relgen.tables.FEATURES`.
        encoding: the classifier's.
        labels: the schema's labels; empty when labels are unknown.
        generated: whether a language model wrote the samples.
    """
    samples = [
        Sample(sample_id, text, Entity(**head), Entity(**tail), relation)
        for sample_id, text, head, tail, relation in zip(
            rows["id"], rows["text"], rows["head"], rows["tail"], rows["relation"], strict=True
        )
    ]
    encoded = encoding.encode(samples)
    numbers = {label: number for number, label in enumerate(labels)}
    return {
        "id": rows["id"],
        "input_ids": [sample.input_ids for sample in encoded],
        "positions": [sample.positions for sample in encoded],
        "truncated": [sample.truncated for sample in encoded],
        "length": [len(sample.input_ids) for sample in encoded],
        "label": [numbers[x] if labels else _UNKNOWN for x in rows["relation"]],
        "generated": [generated] * len(encoded),
        "targets": [_target(scores, labels) for scores in rows["scores"]],
    }


def _target(scores: list[dict[str, Any]] | None, labels: tuple[str, ...]) -> list[float]:
    """The probabilities of all labels, with sum 1; nothing for a sample without `scores`."""
    if not scores or not labels:
        return []
    known = {entry["relation"]: entry["probability"] for entry in scores}
    total = sum(known.get(label, 0.0) for label in labels)
    return [known.get(label, 0.0) / total for label in labels]


def collate_columns(columns: dict[str, list[Any]], *, pad_id: int) -> Batch:
    """Some rows of an encoded table, column by column, to a `Batch`."""
    parts = zip(columns["input_ids"], columns["positions"], columns["truncated"], strict=True)
    return collate(
        [Encoded(*part) for part in parts],
        pad_id=pad_id,
        labels=columns["label"],
        generated=columns["generated"],
        ids=columns["id"],
        targets=columns["targets"],
    )
