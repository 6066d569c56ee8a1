"""Scores of relation classifiers, all computed from one confusion matrix.

- micro-F1, precision and recall over the positive labels, as usual for few-shot experiments.
  Without a negative label, all three equal accuracy.
- macro-F1: the mean over the positive labels; a label with neither gold nor predicted samples
  counts as 0.
- SemEval-2010 Task 8's official score: macro-F1 over the undirected relations that have gold
  samples, where a prediction with the wrong direction is an error.

0/0 counts as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from relgen.data import RelationSchema


@dataclass(frozen=True, slots=True)
class LabelScores:
    """One label's scores, from 0 to 1; `support` is the number of its gold samples."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Scores:
    """The content of `scores.json`: all scores from 0 to 1.

    Args:
        official_f1: SemEval's official score; None for other schemas.
        per_relation: all labels, including the negative one.
        confusion: R rows (gold) of R counts (predicted), in the order of `labels`.
    """

    micro_f1: float
    macro_f1: float
    official_f1: float | None
    precision: float
    recall: float
    per_relation: dict[str, LabelScores]
    confusion: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]

    def summary(self) -> dict[str, float]:
        """Return the overall scores by name."""
        names = ("micro_f1", "macro_f1", "precision", "recall", "official_f1")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def precision_recall_f1(correct: Tensor, predicted: Tensor, gold: Tensor) -> Tensor:
    """Return precision, recall and F1 (3, ...) from counts of one shape (...); 0 for 0/0."""
    correct, predicted, gold = (x.double() for x in (correct, predicted, gold))
    f1 = 2 * correct / (predicted + gold)
    return torch.stack([correct / predicted, correct / gold, f1]).nan_to_num(0.0)


def score(confusion: Tensor, schema: RelationSchema, unnamed: Tensor | None = None) -> Scores:
    """Compute all scores of a confusion matrix (R, R), whose rows are gold labels.

    `unnamed` (R,) counts, by gold label, the answers that name no label.
    """
    confusion = confusion.cpu()
    missed = torch.zeros(len(schema), dtype=torch.long) if unnamed is None else unnamed.cpu()
    hits, predicted = confusion.diagonal(), confusion.sum(dim=0)
    gold = confusion.sum(dim=1) + missed
    single = precision_recall_f1(hits, predicted, gold)  # (3, R)
    positive = torch.tensor([label != schema.negative for label in schema.labels])
    micro = precision_recall_f1(
        hits[positive].sum(), predicted[positive].sum() + missed.sum(), gold[positive].sum()
    )
    return Scores(
        micro_f1=float(micro[2]),
        macro_f1=float(single[2, positive].mean()),
        official_f1=_official_f1(hits, predicted, gold, schema),
        precision=float(micro[0]),
        recall=float(micro[1]),
        per_relation={
            label: LabelScores(*each)
            for label, *each in zip(schema.labels, *single.tolist(), gold.tolist(), strict=True)
        },
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        labels=schema.labels,
    )


def score_labels(
    predicted: Sequence[str | None], gold: Sequence[str], schema: RelationSchema
) -> Scores:
    """Compute all scores of predicted labels.

    None stands for an answer that names no label. It is wrong, and micro-F1 counts it as a positive
    prediction.
    """
    size = len(schema)
    index: dict[str | None, int] = {label: row for row, label in enumerate(schema.labels)}
    index[None] = size
    counts = multiclass_confusion_matrix(
        torch.tensor([index[label] for label in predicted], dtype=torch.long),
        torch.tensor([index[label] for label in gold], dtype=torch.long),
        size + 1,
        validate_args=False,
    )  # (R + 1, R + 1)
    return score(counts[:size, :size], schema, counts[:size, size])


def _official_f1(
    hits: Tensor, predicted: Tensor, gold: Tensor, schema: RelationSchema
) -> float | None:
    """Return SemEval's macro-F1 over undirected relations; None for other schemas.

    This is the (9+1)-way evaluation of `semeval2010_task8_scorer-v1.2.pl`: a hit needs the right
    direction, while both directions add up to a relation's predicted and gold counts, all (R,). The
    mean is over the relations in the key: all nine in the whole test set, fewer in a part of it.
    """
    groups: dict[str, list[int]] = {}
    for index, relation in enumerate(schema):
        if relation.name != schema.negative:
            if not relation.undirected:
                return None
            groups.setdefault(relation.undirected, []).append(index)
    if not schema.name.lower().startswith("semeval"):
        return None
    counts = torch.stack(
        [
            torch.stack([side[members].sum() for members in groups.values()])
            for side in (hits, predicted, gold)
        ]
    )  # (3, groups)
    in_key = counts[:, counts[2] > 0]
    return float(precision_recall_f1(*in_key)[2].mean().nan_to_num(0.0))
