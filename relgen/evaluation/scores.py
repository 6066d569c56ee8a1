"""Scores of relation classifiers, all of them computed from one confusion matrix.

- micro-F1, precision and recall over the positive labels (the literature's few-shot score): the
  negative label counts neither as a hit nor as support. Without a negative label it is accuracy.
- macro-F1: the mean over all positive labels; a label with neither gold nor predicted samples
  counts as 0.
- SemEval-2010 Task 8's official score: macro-F1 over the undirected relations, where a prediction
  with the wrong direction is an error.

Every division by zero gives 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from relgen.data import RelationSchema


@dataclass(frozen=True, slots=True)
class LabelScores:
    """One label's scores, as fractions; `support` counts its gold samples."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What `scores.json` holds.

    Args:
        micro_f1, precision, recall: over the positive labels.
        macro_f1: mean F1 of the positive labels.
        official_f1: SemEval's official score; None for other schemas.
        per_relation: every label, the negative one too.
        confusion: R rows (gold) of R counts (predicted), in the order of `labels`.
        labels: the schema's R labels.
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
        """The scores that are single numbers."""
        names = ("micro_f1", "macro_f1", "precision", "recall")
        values = {name: getattr(self, name) for name in names}
        return values if self.official_f1 is None else {**values, "official_f1": self.official_f1}

    def to_json(self) -> dict[str, Any]:
        """The object that `scores.json` holds."""
        return {
            "micro_f1": self.micro_f1,
            "macro_f1": self.macro_f1,
            "official_f1": self.official_f1,
            "precision": self.precision,
            "recall": self.recall,
            "per_relation": {
                label: {
                    "precision": scores.precision,
                    "recall": scores.recall,
                    "f1": scores.f1,
                    "support": scores.support,
                }
                for label, scores in self.per_relation.items()
            },
            "confusion": [list(row) for row in self.confusion],
            "labels": list(self.labels),
        }


class RelationConfusion(Metric):
    """Counts of (gold, predicted) pairs; adds up over processes, also when one has no data.

    Args:
        size: number of labels, R.
    """

    full_state_update = False
    higher_is_better = None
    is_differentiable = False
    confusion: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        zeros = torch.zeros(size, size, dtype=torch.long)
        self.add_state("confusion", default=zeros, dist_reduce_fx="sum")

    def update(self, predicted: Tensor, gold: Tensor) -> None:
        """Adds B samples: `predicted` and `gold` (B,) are indices into the labels."""
        self.confusion += confusion_matrix(predicted, gold, self.size)

    def compute(self) -> Tensor:
        """The counts (R, R); rows are gold labels."""
        return self.confusion


def confusion_matrix(predicted: Tensor, gold: Tensor, size: int) -> Tensor:
    """Counts of (gold, predicted) pairs.

    Args:
        predicted: (B,) indices into R labels.
        gold: (B,) indices into R labels.
        size: R.

    Returns:
        (R, R); rows are gold labels.
    """
    return torch.bincount(gold * size + predicted, minlength=size * size).view(size, size)


def precision_recall_f1(correct: Tensor, predicted: Tensor, gold: Tensor) -> Tensor:
    """Precision, recall and F1 from counts of any one shape (...); result (3, ...), 0 for 0/0."""
    correct, predicted, gold = (x.double() for x in (correct, predicted, gold))
    precision = torch.where(predicted > 0, correct / predicted.clamp(min=1), 0.0)
    recall = torch.where(gold > 0, correct / gold.clamp(min=1), 0.0)
    total = predicted + gold
    f1 = torch.where(total > 0, 2 * correct / total.clamp(min=1), 0.0)
    return torch.stack([precision, recall, f1])


def score(confusion: Tensor, schema: RelationSchema, nameless: Tensor | None = None) -> Scores:
    """All scores of a confusion matrix.

    Args:
        confusion: (R, R) counts; rows are gold labels, both axes in the schema's order.
        schema: the R labels.
        nameless: (R,) counts of samples, by gold label, for which no label was named.
    """
    confusion = confusion.cpu()
    lost = torch.zeros(len(schema), dtype=torch.long) if nameless is None else nameless.cpu()
    hits, predicted = confusion.diagonal(), confusion.sum(dim=0)
    gold = confusion.sum(dim=1) + lost
    single = precision_recall_f1(hits, predicted, gold)  # (3, R)
    positive = torch.tensor([label != schema.negative for label in schema.labels])
    micro = precision_recall_f1(
        hits[positive].sum(), predicted[positive].sum() + lost.sum(), gold[positive].sum()
    )
    return Scores(
        micro_f1=float(micro[2]),
        macro_f1=float(single[2, positive].mean()),
        official_f1=official_f1(confusion, schema, lost) if has_official_score(schema) else None,
        precision=float(micro[0]),
        recall=float(micro[1]),
        per_relation={
            label: LabelScores(
                float(single[0, index]),
                float(single[1, index]),
                float(single[2, index]),
                int(gold[index]),
            )
            for index, label in enumerate(schema.labels)
        },
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        labels=schema.labels,
    )


def score_labels(
    predicted: Sequence[str | None], gold: Sequence[str], schema: RelationSchema
) -> Scores:
    """All scores of predicted labels, given as names in the same order as the gold ones.

    A prediction of None is an answer that names no label. It is wrong: it misses the gold label,
    and counts among the positive predictions of micro-F1, as any wrong label would.
    """
    index = {label: row for row, label in enumerate(schema.labels)}
    named = [(p, g) for p, g in zip(predicted, gold, strict=True) if p is not None]
    pairs = [
        torch.tensor([index[x] for x in side], dtype=torch.long)
        for side in ([p for p, _ in named], [g for _, g in named])
    ]
    nameless = torch.tensor(
        [index[g] for p, g in zip(predicted, gold, strict=True) if p is None], dtype=torch.long
    )
    lost = torch.bincount(nameless, minlength=len(schema))
    return score(confusion_matrix(pairs[0], pairs[1], len(schema)), schema, lost)


def has_official_score(schema: RelationSchema) -> bool:
    """Whether SemEval's official score is defined.

    It is for schemas whose name starts with `semeval` and whose positive labels all name their
    `undirected` relation.
    """
    positive = [relation for relation in schema if relation.name != schema.negative]
    return schema.name.lower().startswith("semeval") and all(r.undirected for r in positive)


def official_f1(confusion: Tensor, schema: RelationSchema, nameless: Tensor) -> float:
    """Macro-F1 over undirected relations, with direction taken into account.

    The (9+1)-way evaluation of `semeval2010_task8_scorer-v1.2.pl`: a hit needs the right direction,
    while both directions together make up a relation's predicted and gold counts. A wrong direction
    thus costs precision and recall. The negative label is left out of the mean.

    Args:
        confusion: (R, R) counts; rows are gold labels.
        schema: the R labels.
        nameless: (R,) counts of samples, by gold label, for which no label was named.
    """
    groups: dict[str, list[int]] = {}
    for index, relation in enumerate(schema):
        if relation.name != schema.negative:
            groups.setdefault(relation.group, []).append(index)
    hits, predicted = confusion.diagonal(), confusion.sum(dim=0)
    gold = confusion.sum(dim=1) + nameless
    counts = [
        torch.stack([side[members].sum() for members in groups.values()])
        for side in (hits, predicted, gold)
    ]
    return float(precision_recall_f1(counts[0], counts[1], counts[2])[2].mean())
