"""Fits the probe to a file of labelled samples, and scores it on them by cross-validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from relgen.common import InputError
from relgen.data import RelationSchema, Sample, Sentences, fold_of_rows, joined_rows, read_samples
from relgen.evaluation import score_labels
from relgen.labelling.probe import Probe, cross_validated, fit_probe

_FOLDS = 4


def read_labelled(train: str | Path, schema: RelationSchema) -> list[Sample]:
    """Read labelled samples; raise InputError unless they have at least two relations."""
    labelled = read_samples(train, schema=schema)
    if len({sample.relation for sample in labelled}) < 2:
        problem = "labelling needs labelled samples of at least two relations"
        remedy = "add samples of another relation"
        raise InputError(
            problem, path=train, field="relation", value=labelled[0].relation, remedy=remedy
        )
    return labelled


def fit(
    states: Tensor, labelled: Sequence[Sample], schema: RelationSchema, penalty: float
) -> tuple[Probe, float | None]:
    """Return the probe and its cross-validated micro-F1: None if no relation has two samples."""
    probabilities = cross_validate(states, labelled, schema, penalty)  # (N, R)
    probe = fit_probe(states, **_fitting(labelled, schema, penalty))
    return probe, train_micro_f1(probabilities, labelled, schema)


def train_micro_f1(
    probabilities: Tensor, labelled: Sequence[Sample], schema: RelationSchema
) -> float | None:
    """Return the micro-F1 of cross-validated probabilities (N, R); None if all rows are NaN."""
    rows = [i for i, row in enumerate(probabilities) if not row.isnan().any()]
    predicted = [schema.labels[int(probabilities[i].argmax())] for i in rows]
    scores = score_labels(predicted, [labelled[i].relation for i in rows], schema)
    return scores.micro_f1 if rows else None


def cross_validate(
    states: Tensor, labelled: Sequence[Sample], schema: RelationSchema, penalty: float
) -> Tensor:
    """Return cross-validated probabilities (N, R); NaN for relations with a single sentence.

    Pairs of one sentence are held out together. There are as many parts as a relation has
    sentences, and at most four: with more parts than sentences, the relation that is held out is
    trained on fewer of them than the others, and all are taken for others.
    """
    relations = [sample.relation for sample in labelled]
    units = joined_rows([*map(Sentences.of_sample, labelled)])
    sentences = Counter(relation for relation, _ in set(zip(relations, units, strict=True)))
    folds = fold_of_rows(relations, units, max(2, min(_FOLDS, max(sentences.values()))))
    return cross_validated(states, folds=folds, **_fitting(labelled, schema, penalty))


def _fitting(labelled: Sequence[Sample], schema: RelationSchema, penalty: float) -> dict[str, Any]:
    inverses = schema.inverses()
    numbers = {label: number for number, label in enumerate(schema.labels)}
    return {
        "labels": torch.tensor([numbers[sample.relation] for sample in labelled]),
        "inverses": [numbers.get(inverses.get(label, "")) for label in schema.labels],
        "penalty": penalty,
    }
