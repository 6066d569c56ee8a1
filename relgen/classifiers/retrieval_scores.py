"""What RetrievalRE makes of a query's nearest neighbours. Free functions of tensors.

Chen et al., *Relation Extraction as Open-book Examination: Retrieval-enhanced Prompt Tuning* (SIGIR
2022, arXiv 2205.02355):

    p(y | x) = λ p_kNN(y | x) + (1 - λ) p_LM(y | x)
    p_kNN(y | x) ∝ Σ_i 1[y_i = y] exp(-d(h_x, h_i) / T)      over the k nearest samples i

d is the squared Euclidean distance, as the released code's index (faiss, METRIC_L2) and kNN-LM
(Khandelwal et al. 2020) have it; the published T belongs to it. The functions named `released_…` do
what the published code does (github.com/zjunlp/PromptKG, `research/RetrievalRE`,
`lit_models/transformer.py`), and say where that differs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# the released code's stand-in for the distance of a relation without a neighbour
_FAR = 1000.0


class Neighbours(NamedTuple):
    """The k stored samples nearest to each of B queries, nearest first.

    Shapes: `distances` (B, k), squared; `values` (B, k, R) the probabilities of their relations.
    """

    distances: Tensor
    values: Tensor

    def first(self, count: int) -> Neighbours:
        """The nearest `count` of them."""
        return Neighbours(self.distances[:, :count], self.values[:, :count])


def nearest(queries: Tensor, keys: Tensor, values: Tensor, count: int) -> Neighbours:
    """An exact search: all distances, and the least of them.

    Args:
        queries: (B, H).
        keys: (N, H), at least one.
        values: (N, R).
        count: k; all N where there are fewer.
    """
    # the expansion by a matrix product is faster, and rounds small distances away
    distances = torch.cdist(queries, keys, compute_mode="donot_use_mm_for_euclid_dist")  # (B, N)
    found = distances.topk(min(count, len(keys)), dim=-1, largest=False)
    return Neighbours(found.values.square(), values[found.indices])


def neighbour_probabilities(neighbours: Neighbours, temperature: float) -> Tensor:
    """p_kNN, (B, R). A neighbour with an uncertain relation shares its weight out.

    Args:
        neighbours: k of each of B queries.
        temperature: T.
    """
    weights = (-neighbours.distances / temperature).softmax(dim=-1)  # (B, k)
    return (weights[:, None] @ neighbours.values).squeeze(1)  # (B, R)


def interpolated(probabilities: Tensor, neighbours: Tensor, weight: float) -> Tensor:
    """log of p = λ p_kNN + (1 - λ) p_LM, for a softmax to take back.

    Args:
        probabilities: (B, R) p_LM.
        neighbours: (B, R) p_kNN.
        weight: λ.

    Returns:
        (B, R), nowhere infinite.
    """
    mixed = weight * neighbours + (1 - weight) * probabilities
    return mixed.clamp(min=torch.finfo(mixed.dtype).tiny).log()


def released_neighbour_probabilities(neighbours: Neighbours, temperature: float) -> Tensor:
    """`neighbour_probabilities` as the released code has them (`_eval`). Differences:

    - Of each relation's neighbours only the nearest counts, in place of the sum over all.
    - A relation without a neighbour counts as if it had one at a distance of 1000, and so keeps
      some probability.
    - A neighbour has one relation; of an uncertain one it is the most probable. (The released code
      knows no uncertain ones.)

    Where all distances are so large that the released code would divide 0 by 0, the result here is
    what exact arithmetic gives.
    """
    relations = neighbours.values.shape[-1]
    labels = F.one_hot(neighbours.values.argmax(dim=-1), relations).bool()  # (B, k, R)
    distances = torch.where(labels, neighbours.distances[..., None], torch.inf).amin(
        dim=1
    )  # (B, R)
    return (-torch.where(labels.any(dim=1), distances, _FAR) / temperature).softmax(dim=-1)


def released_interpolated(probabilities: Tensor, neighbours: Tensor, weight: float) -> Tensor:
    """`interpolated` as the released code has it (`combine_knn_and_vocab_probs`).

    It is log(λ exp(p_kNN) + (1 - λ) exp(p_LM)): a formula for log-probabilities that receives
    probabilities. The results lie between 0 and 1, so that a softmax of them is almost flat.

    Args:
        probabilities: (B, R) p_LM.
        neighbours: (B, R) p_kNN.
        weight: λ.
    """
    mixed = weight * neighbours.exp() + (1 - weight) * probabilities.exp()
    return mixed.log()
