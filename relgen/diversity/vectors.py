"""Diversity of sentences as vectors: mean pairwise cosine and the Vendi score.

Free functions of tensors; no n x n matrix where n is large.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_pairwise_cosine(total: Tensor, count: Tensor) -> Tensor:
    """Mean cosine over all pairs of unit vectors, from their sum alone.

    ‖Σv‖² = n + Σ_{i≠j} v_i·v_j, so the mean over the n(n − 1) ordered pairs is
    (‖Σv‖² − n) / (n(n − 1)).

    Args:
        total: (..., d), the sum of n unit vectors.
        count: (...), n.

    Returns:
        (...), NaN where n < 2.
    """
    pairs = count * (count - 1)
    return torch.where(pairs > 0, (total.square().sum(-1) - count) / pairs, torch.nan)


def vendi_score(vectors: Tensor) -> Tensor:
    """The effective number of different vectors: exp of the entropy of the eigenvalues of K/n.

    K is the Gram matrix (Friedman and Dieng 2023, definition 3.1). Its non-zero eigenvalues are
    those of the d x d matrix XᵀX, so the smaller of the two is taken apart. 1 for n copies, n for n
    orthogonal vectors.

    Args:
        vectors: (n, d), unit vectors.

    Returns:
        A scalar, NaN where n < 1.
    """
    count, dimension = vectors.shape
    if not count:
        return vectors.new_full((), torch.nan)
    vectors = vectors.double()
    gram = vectors @ vectors.T if count <= dimension else vectors.T @ vectors
    eigenvalues = torch.linalg.eigvalsh(gram / count).clamp(min=0)
    return torch.special.entr(eigenvalues).sum().exp()
