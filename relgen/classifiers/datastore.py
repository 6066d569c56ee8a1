"""RetrievalRE's datastore: nearest training samples, and how predictions use them.

Chen et al., *Relation Extraction as Open-book Examination: Retrieval-enhanced Prompt Tuning* (SIGIR
2022, arXiv 2205.02355):

    p(y | x) = λ p_kNN(y | x) + (1 - λ) p_LM(y | x)
    p_kNN(y | x) ∝ Σ_i 1[y_i = y] exp(-d(h_x, h_i) / T)      over the k nearest samples i

d is the squared Euclidean distance, as in the released code's index (faiss, METRIC_L2) and in
kNN-LM (Khandelwal et al. 2020); the published T refers to it. Three deviations of the released code
(github.com/zjunlp/PromptKG, `research/RetrievalRE`, `lit_models/transformer.py`) from the paper are
not reproduced: only the nearest neighbour of each relation counts; a relation without a neighbour
gets one at a distance of 1000; and both probabilities are mixed by a formula for their logarithms.
Search is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product, starmap
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_confusion_matrix

from relgen.data import RelationSchema
from relgen.evaluation import score

# tried on the validation file, for the settings that are not given
_CHOICES = {
    "interpolation": tuple(number / 10 for number in range(10)),
    "neighbours": (1, 4, 16, 64),
    "temperature": (1.0, 3.0, 10.0, 30.0, 100.0, 300.0),
}
# λ of the authors' scripts (`knn_scripts/`) for two corpora, by their schemas' names
_PUBLISHED_INTERPOLATION = {"semeval": 0.5, "retacred": 0.5}


class Retrieval(NamedTuple):
    """The settings of retrieval: λ, k and T. The defaults are those of the authors' code."""

    interpolation: float = 0.2
    neighbours: int = 64
    temperature: float = 10.0


class Neighbours(NamedTuple):
    """The k stored samples nearest to each of B queries, nearest first.

    Shapes: `distances` (B, k), squared; `values` (B, k, R) the probabilities of their relations.
    """

    distances: Tensor
    values: Tensor


def nearest(queries: Tensor, keys: Tensor, values: Tensor, count: int) -> Neighbours:
    """Find the `count` nearest of one or more keys (N, H) with values (N, R) to queries (B, H)."""
    # the expansion by a matrix product is faster, and rounds small distances away
    distances = torch.cdist(queries, keys, compute_mode="donot_use_mm_for_euclid_dist")  # (B, N)
    found = distances.topk(min(count, len(keys)), dim=-1, largest=False)
    return Neighbours(found.values.square(), values[found.indices])


def neighbour_probabilities(neighbours: Neighbours, temperature: float) -> Tensor:
    """Return p_kNN, (B, R), at temperature T; an uncertain neighbour divides its weight."""
    weights = (-neighbours.distances / temperature).softmax(dim=-1)  # (B, k)
    return (weights[:, None] @ neighbours.values).squeeze(1)  # (B, R)


def mixed_logits(logits: Tensor, neighbours: Neighbours, retrieval: Retrieval) -> Tensor:
    """Return log p = log(λ p_kNN + (1 - λ) p_LM), (B, R), of logits (B, R) and their neighbours.

    All are finite. Each row needs at least k neighbours.
    """
    kept = Neighbours(*(part[:, : retrieval.neighbours] for part in neighbours))
    found = neighbour_probabilities(kept, retrieval.temperature)
    mixed = retrieval.interpolation * found + (1 - retrieval.interpolation) * logits.softmax(dim=-1)
    return mixed.clamp(min=torch.finfo(mixed.dtype).tiny).log()


def candidates(given: Mapping[str, Any]) -> list[Retrieval]:
    """Return all combinations of settings to choose from, with the given ones fixed."""
    choices = {**_CHOICES, **{name: (value,) for name, value in given.items()}}
    return list(starmap(Retrieval, product(*choices.values())))


def published(given: Mapping[str, Any], corpus: str) -> Retrieval:
    """Return the given settings, completed by the published ones for a schema's name."""
    known = _PUBLISHED_INTERPOLATION
    return Retrieval(**({"interpolation": known[corpus]} if corpus in known else {}) | dict(given))


def choose(
    candidates: Iterable[Retrieval],
    logits: Tensor,
    neighbours: Neighbours,
    labels: Tensor,
    schema: RelationSchema,
) -> Retrieval:
    """Return the candidate with the best micro-F1; among equals, with the best likelihood.

    The language model's logits (N, R) and labels (N,) are those of N development samples, whose
    neighbours are as many as any candidate asks for, if available.
    """

    def quality(retrieval: Retrieval) -> tuple[float, float]:
        scores = mixed_logits(logits, neighbours, retrieval)  # (N, R)
        confusion = multiclass_confusion_matrix(
            scores.argmax(dim=-1), labels, len(schema), validate_args=False
        )
        likelihood = -F.cross_entropy(scores, labels)
        return score(confusion.cpu(), schema).micro_f1, likelihood.item()

    return max(candidates, key=quality)


class Datastore(nn.Module):
    """N keys with values, saved and loaded with the weights; empty at first.

    Shapes: `keys` (N, H); `values` (N, R) the probabilities of the samples' relations; `settings`
    (3,) the `Retrieval`. A state of any N can be loaded.
    """

    keys: Tensor
    values: Tensor
    settings: Tensor

    def __init__(self, size: int, relations: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.empty(0, size))
        self.register_buffer("values", torch.empty(0, relations))
        self.register_buffer("settings", torch.zeros(3))

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def retrieval(self) -> Retrieval:
        weight, count, temperature = self.settings.tolist()
        return Retrieval(round(weight, 6), round(count), round(temperature, 6))

    def fill(self, keys: Tensor, values: Tensor, retrieval: Retrieval) -> None:
        """Replace the content by `keys` (N, H) and `values` (N, R)."""
        self.keys, self.values = keys, values
        self.settings = torch.tensor(retrieval, dtype=torch.float32, device=keys.device)

    def clear(self) -> None:
        # not slices, which would keep the storage
        keys, values = (part.new_empty(0, part.shape[1]) for part in (self.keys, self.values))
        self.fill(keys, values, Retrieval(0.0, 0, 0.0))

    def mix(self, logits: Tensor, states: Tensor) -> Tensor:
        """Mix logits (B, R) with the relations of the keys nearest to the states (B, H)."""
        keys, values = self.keys.float(), self.values.float()
        found = nearest(states.float(), keys, values, self.retrieval.neighbours)
        return mixed_logits(logits.float(), found, self.retrieval)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        for name, buffer in self.named_buffers(recurse=False):
            saved = state_dict.get(prefix + name)
            if saved is not None and saved.shape[1:] == buffer.shape[1:]:
                setattr(self, name, buffer.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
