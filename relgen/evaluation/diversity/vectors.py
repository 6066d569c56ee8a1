"""Diversity of sentences as vectors: mean pairwise cosine and the Vendi score.

Free functions of tensors. Of n vectors of d dimensions nothing larger than n x d is made.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 16_384


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
    if count > dimension:
        return vendi_of_gram(second_moment(vectors), count)
    vectors = vectors.double()
    return vendi_of_gram(vectors @ vectors.T, count)


def vendi_of_gram(gram: Tensor, count: int) -> Tensor:
    """The Vendi score from XXᵀ or XᵀX.

    Args:
        gram: (n, n) or (d, d), float64.
        count: n.

    Returns:
        A scalar.
    """
    eigenvalues = torch.linalg.eigvalsh(gram / count).clamp(min=0)
    return torch.special.entr(eigenvalues).sum().exp()


def second_moment(vectors: Tensor) -> Tensor:
    """XᵀX in float64, without a float64 copy of all of X.

    Args:
        vectors: (n, d).

    Returns:
        (d, d), the sum over the n vectors, not divided by n.
    """
    blocks = (block.double() for block in vectors.split(_BLOCK))
    dimension = vectors.shape[1]
    total = torch.zeros(dimension, dimension, dtype=torch.float64, device=vectors.device)
    for block in blocks:
        total += block.T @ block
    return total
