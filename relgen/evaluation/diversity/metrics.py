"""The diversity measures as torchmetrics classes, one value a relation.

Across ranks they add sums up (`MeanPairwiseCosine`) or gather what was seen (the other two). gloo
aborts when a rank gathers a list that is empty there, hence `_Gathering`. Sums cannot tell a sample
that a sampler handed out twice, so feed them from one that does not pad.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from relgen.data import Sample
from relgen.evaluation.diversity import text, vectors

TEXT_MEASURES: dict[str, Callable[[Sequence[Sequence[str]]], float | None]] = {
    "distinct_1": lambda sentences: text.distinct(sentences, 1),
    "distinct_2": lambda sentences: text.distinct(sentences, 2),
    "distinct_3": lambda sentences: text.distinct(sentences, 3),
    "word_repetition": text.word_repetition,
}
_ROWS = 16_384


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

    Vectors are kept as they are while they are few. Of a relation with more than d of them, a d x d
    sum takes their place, so that memory does not grow with the number of samples.

    Args:
        relations: R, the number of relations.
        dimension: d, of the vectors.
        rows: how many vectors are kept before they are summed; 2 R d if that is more.
    """

    higher_is_better = True
    embeddings: list[Tensor] | Tensor
    labels: list[Tensor] | Tensor
    sums: list[Tensor] | Tensor
    sum_labels: list[Tensor] | Tensor
    sum_counts: list[Tensor] | Tensor

    def __init__(self, relations: int, dimension: int, rows: int = _ROWS) -> None:
        super().__init__()
        self.relations = relations
        self.dimension = dimension
        # up to R d rows stay after summing: at twice as many, each row is looked at a few times
        self.rows = max(rows, 2 * relations * dimension)
        for name in self._nothing():
            self.add_state(name, [], dist_reduce_fx="cat")

    def _nothing(self) -> dict[str, Tensor]:
        d, device = self.dimension, self.device
        return {
            "embeddings": torch.empty(0, d, device=device),
            "labels": torch.empty(0, dtype=torch.long, device=device),
            "sums": torch.empty(0, d, d, dtype=torch.float64, device=device),
            "sum_labels": torch.empty(0, dtype=torch.long, device=device),
            "sum_counts": torch.empty(0, dtype=torch.long, device=device),
        }

    def update(self, embeddings: Tensor, relations: Tensor) -> None:
        """Adds unit vectors (B, d) of the relations (B,), integers below R."""
        self.embeddings.append(embeddings.float())  # type: ignore[union-attr]
        self.labels.append(relations)  # type: ignore[union-attr]
        if sum(map(len, self.labels)) > self.rows:
            self._sum_up()

    def _sum_up(self) -> None:
        """Puts a sum in the place of each relation's rows that are more than d."""
        seen, labels, sums, sum_labels, sum_counts = self._state()
        kept = torch.ones_like(labels, dtype=torch.bool)
        for relation, count in zip(*labels.unique(return_counts=True), strict=True):
            if count > self.dimension:
                own = labels == relation
                moment = vectors.second_moment(seen[own])
                known = sum_labels == relation
                if known.any():
                    sums[known] += moment
                    sum_counts[known] += count
                else:
                    sums = torch.cat([sums, moment[None]])
                    sum_labels = torch.cat([sum_labels, relation[None]])
                    sum_counts = torch.cat([sum_counts, count[None]])
                kept &= ~own
        self.embeddings, self.labels = [seen[kept]], [labels[kept]]
        self.sums, self.sum_labels, self.sum_counts = [sums], [sum_labels], [sum_counts]

    def compute(self) -> Tensor:
        """(R,), NaN for a relation without samples; torchmetrics squeezes R = 1."""
        seen, labels, sums, sum_labels, sum_counts = self._state()
        scores = []
        for relation in range(self.relations):
            rows, known = seen[labels == relation], sum_labels == relation
            if known.any():
                gram = sums[known].sum(0) + vectors.second_moment(rows)
                count = int(sum_counts[known].sum()) + len(rows)
                scores.append(vectors.vendi_of_gram(gram, count))
            else:
                scores.append(vectors.vendi_score(rows))
        return torch.stack(scores)

    def _state(self) -> list[Tensor]:
        return [_joined(getattr(self, name), empty) for name, empty in self._nothing().items()]


class TextDiversity(_Gathering):
    """What `relgen.evaluation.diversity.text` measures, per relation.

    Samples travel between ranks as the bytes of JSON lines, and count once per id.

    Args:
        seed: of the draw for self-BLEU, where a relation has more sentences than it takes.
        self_bleu_sentences: how many self-BLEU takes of a relation at most.
    """

    records: list[Tensor] | Tensor

    def __init__(self, seed: int = 1, self_bleu_sentences: int = text.SELF_BLEU_SENTENCES) -> None:
        super().__init__()
        self.seed = seed
        self.self_bleu_sentences = self_bleu_sentences
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
        result: dict[str, dict[str, float | None]] = {}
        for relation, (sentences, phrasings) in self._by_relation().items():
            values = {name: of(sentences) for name, of in TEXT_MEASURES.items()}
            rng = random.Random(f"self_bleu/{self.seed}/{relation}")
            drawn = text.subsample(sentences, self.self_bleu_sentences, rng)
            values["self_bleu"] = text.self_bleu(drawn)
            result[relation] = {**values, "phrasings": len(phrasings) / len(sentences)}
        return result

    def _by_relation(self) -> dict[str, tuple[list[list[str]], set[str]]]:
        """{relation: (the words of each sentence, the different phrasings)}."""
        content = _joined(self.records, self._nothing()["records"]).cpu().numpy().tobytes()
        groups: dict[str, tuple[list[list[str]], set[str]]] = {}
        ids: set[str] = set()
        vocabulary: dict[str, str] = {}
        for line in io.BytesIO(content):
            sample_id, relation, words, phrasing = json.loads(line)
            if sample_id not in ids:
                ids.add(sample_id)
                sentences, phrasings = groups.setdefault(relation, ([], set()))
                # one string for all occurrences of a word
                sentences.append([vocabulary.setdefault(word, word) for word in words])
                phrasings.add(phrasing)
        return groups


def _joined(state: list[Tensor] | Tensor, empty: Tensor) -> Tensor:
    """A list state as one tensor; synchronising leaves it as one already."""
    return state if isinstance(state, Tensor) else torch.cat([empty, *state])
