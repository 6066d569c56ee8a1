"""Turns tables of samples into tables of token ids, and their rows into batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasets import Dataset

from relgen.classifiers import Batch, Encoded, Encoding, collate
from relgen.common import text_hash
from relgen.data import Entity, Sample, Sentences

_UNKNOWN = -1
# keys the cache of encoded tables: raise it when its columns change
_VERSION = 5


def sentences_of(table: Dataset) -> list[Sentences]:
    """Return the sentences of each of a table's samples."""
    columns = (table["text"], table["head"], table["tail"])
    return [
        Sentences.of(text, Entity(**head), Entity(**tail))
        for text, head, tail in zip(*columns, strict=True)
    ]


def encode_table(
    table: Dataset,
    encoding: Encoding,
    *,
    labels: tuple[str, ...],
    generated: bool,
    inverses: Mapping[str, str] | None = None,
) -> Dataset:
    """Return a table's token ids, from the cache if file, encoding and labels are the same.

    `labels` are the schema's, or empty if unknown. Each sample whose label has one of the
    `inverses` is also added with head and tail exchanged (`Sample.exchanged`).
    """
    inverses = dict(inverses or {})
    numbers = {label: number for number, label in enumerate(labels)}

    def encode(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        names = ("id", "text", "head", "tail", "relation", "scores", "review")
        samples = [
            # a relation that a person set counts alone
            Sample(
                name,
                text,
                Entity(**head),
                Entity(**tail),
                relation,
                scores=None if review["reviewer"] else _scores(pairs),
            )
            for name, text, head, tail, relation, pairs, review in zip(
                *(rows[name] for name in names), strict=True
            )
        ]
        samples += [other for sample in samples if (other := sample.exchanged(inverses))]
        encoded = encoding.encode(samples)
        return {
            "id": [sample.id for sample in samples],
            "input_ids": [sample.input_ids for sample in encoded],
            "positions": [sample.positions for sample in encoded],
            "truncated": [sample.truncated for sample in encoded],
            "length": [len(sample.input_ids) for sample in encoded],
            "label": [numbers[sample.relation] if labels else _UNKNOWN for sample in samples],
            "generated": [generated] * len(encoded),
            "targets": [_target(sample.scores, labels) for sample in samples],
        }

    # a fingerprint of our own: that of `datasets` overlooks edits of the function, and changes
    # with the tokenizer's internal state
    key = f"{table._fingerprint}/{encoding.key}/{labels}/{generated}/{inverses}/{_VERSION}"
    return table.map(
        encode,
        batched=True,
        remove_columns=table.column_names,
        new_fingerprint=text_hash(key)[:16],
        desc="tokenise",
    )


def _scores(pairs: list[dict[str, Any]] | None) -> dict[str, float] | None:
    return {pair["relation"]: pair["probability"] for pair in pairs} if pairs else None


def _target(scores: Mapping[str, float] | None, labels: tuple[str, ...]) -> list[float]:
    """Return the probabilities of all labels, with sum 1; empty for a sample without `scores`."""
    if not scores or not labels:
        return []
    total = sum(scores.get(label, 0.0) for label in labels)
    return [scores.get(label, 0.0) / total for label in labels]


def collate_columns(columns: dict[str, list[Any]], *, pad_id: int) -> Batch:
    """Collate some rows of an encoded table, given as columns, into a `Batch`."""
    parts = zip(columns["input_ids"], columns["positions"], columns["truncated"], strict=True)
    return collate(
        [Encoded(*part) for part in parts],
        pad_id=pad_id,
        labels=columns["label"],
        generated=columns["generated"],
        ids=columns["id"],
        targets=columns["targets"],
    )
