"""The diversity measures as torchmetrics classes, one value a relation.

Across ranks they add sums up (`MeanPairwiseCosine`) or gather what was seen (the other two). gloo
aborts when a rank gathers a list that is empty there, hence `_Gathering`. Sums cannot tell a sample
that a sampler handed out twice, so feed them from one that does not pad.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from relgen.diversity import text, vectors
from relgen.samples import Sample

TEXT_MEASURES: dict[str, Callable[[Sequence[Sequence[str]]], float | None]] = {
    "distinct_1": lambda sentences: text.distinct(sentences, 1),
    "distinct_2": lambda sentences: text.distinct(sentences, 2),
    "distinct_3": lambda sentences: text.distinct(sentences, 3),
    "self_bleu": text.self_bleu,
    "word_repetition": text.word_repetition,
}


class MeanPairwiseCosine(Metric):
    """Mean pairwise cosine of each relation's samples; lower is more diverse.

    Args:
        relations: R, the number of relations.
        dimension: d, of the vectors.
    """

    full_state_update = False
    higher_is_better = False
    total: Tensor
    count: Tensor

    def __init__(self, relations: int, dimension: int) -> None:
        super().__init__()
        zeros = torch.zeros(relations, dimension, dtype=torch.float64)
        self.add_state("total", zeros, dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(relations, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, embeddings: Tensor, relations: Tensor) -> None:
        """Adds unit vectors (B, d) of the relations (B,), integers below R."""
        self.total.index_add_(0, relations, embeddings.double())
        self.count.index_add_(0, relations, torch.ones_like(relations, dtype=torch.float64))

    def compute(self) -> Tensor:
        """(R,), NaN for a relation with fewer than two samples; torchmetrics squeezes R = 1."""
        return vectors.mean_pairwise_cosine(self.total, self.count)


class _Gathering(Metric):
    """A metric with list states that a rank without data can take part in."""

    full_state_update = False

    def _nothing(self) -> dict[str, Tensor]:
        """An empty tensor per list state, of the shape and type that `update` appends."""
        raise NotImplementedError

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gathers the states of all ranks; every rank hands in a tensor, be it an empty one."""
        for name, empty in self._nothing().items():
            if isinstance(state := getattr(self, name), list) and not state:
                setattr(self, name, [empty])
        super().sync(*args, **kwargs)


class VendiScore(_Gathering):
    """The Vendi score of each relation's samples; higher is more diverse.

    Args:
        relations: R, the number of relations.
        dimension: d, of the vectors.
    """

    higher_is_better = True
    embeddings: list[Tensor] | Tensor
    labels: list[Tensor] | Tensor

    def __init__(self, relations: int, dimension: int) -> None:
        super().__init__()
        self.relations = relations
        self.dimension = dimension
        self.add_state("embeddings", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def _nothing(self) -> dict[str, Tensor]:
        return {
            "embeddings": torch.empty(0, self.dimension, device=self.device),
            "labels": torch.empty(0, dtype=torch.long, device=self.device),
        }

    def update(self, embeddings: Tensor, relations: Tensor) -> None:
        """Adds unit vectors (B, d) of the relations (B,), integers below R."""
        self.embeddings.append(embeddings.float())  # type: ignore[union-attr]
        self.labels.append(relations)  # type: ignore[union-attr]

    def compute(self) -> Tensor:
        """(R,), NaN for a relation without samples; torchmetrics squeezes R = 1."""
        nothing = self._nothing()
        seen = _joined(self.embeddings, nothing["embeddings"])
        labels = _joined(self.labels, nothing["labels"])
        return torch.stack([vectors.vendi_score(seen[labels == r]) for r in range(self.relations)])


class TextDiversity(_Gathering):
    """What `relgen.diversity.text` measures, per relation.

    Samples travel between ranks as the bytes of JSON lines, and count once per id.
    """

    records: list[Tensor] | Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("records", [], dist_reduce_fx="cat")

    def _nothing(self) -> dict[str, Tensor]:
        return {"records": torch.empty(0, dtype=torch.uint8, device=self.device)}

    def update(self, samples: Sequence[Sample]) -> None:
        """Adds samples; their ids must be unique over all ranks."""
        lines = "".join(
            json.dumps([s.id, s.relation, text.words(s.text), text.phrasing(s)]) + "\n"
            for s in samples
        )
        if lines:  # frombuffer takes no empty buffer
            record = torch.frombuffer(bytearray(lines.encode()), dtype=torch.uint8)
            self.records.append(record.to(self.device))  # type: ignore[union-attr]

    def compute(self) -> dict[str, dict[str, float | None]]:
        """{relation: {measure: value}}; None where too few samples have no value."""
        content = _joined(self.records, self._nothing()["records"]).cpu().numpy().tobytes().decode()
        rows = {row[0]: row[1:] for row in map(json.loads, content.splitlines())}
        result: dict[str, dict[str, float | None]] = {}
        for relation in dict.fromkeys(row[0] for row in rows.values()):
            sentences = [row[1] for row in rows.values() if row[0] == relation]
            phrasings = {row[2] for row in rows.values() if row[0] == relation}
            values = {name: of(sentences) for name, of in TEXT_MEASURES.items()}
            result[relation] = {**values, "phrasings": len(phrasings) / len(sentences)}
        return result


def _joined(state: list[Tensor] | Tensor, empty: Tensor) -> Tensor:
    """A list state as one tensor; synchronising leaves it as one already."""
    return state if isinstance(state, Tensor) else torch.cat([empty, *state])
