"""Diversity of sentences as vectors: mean pairwise cosine and the Vendi score.

Free functions of tensors. For n vectors of d dimensions no tensor larger than n x d is made.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 16_384


def mean_pairwise_cosine(vectors: Tensor) -> Tensor:
    """Return the mean cosine over all pairs of unit vectors, computed from their sum alone.

    ‖Σv‖² = n + Σ_{i≠j} v_i·v_j, so the mean over the n(n − 1) ordered pairs is
    (‖Σv‖² − n) / (n(n − 1)).

    Args:
        vectors: (n, d), unit vectors.

    Returns:
        A scalar, NaN where n < 2.
    """
    count = len(vectors)
    if count < 2:
        return vectors.new_full((), torch.nan)
    total = vectors.sum(0, dtype=torch.float64)
    return (total.square().sum() - count) / (count * (count - 1))


def vendi_score(vectors: Tensor) -> Tensor:
    """Return the effective number of different vectors: exp of the entropy of K/n's eigenvalues.

    K is the Gram matrix (Friedman and Dieng 2023, definition 3.1). Its non-zero eigenvalues are
    those of the d x d matrix XᵀX, so the smaller of the two is decomposed. 1 for n copies, n for n
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
        gram = vectors.new_zeros(dimension, dimension, dtype=torch.float64)
        for block in vectors.split(_BLOCK):  # no float64 copy of all of X
            gram += block.double().T @ block.double()
    else:
        gram = vectors.double() @ vectors.double().T
    eigenvalues = torch.linalg.eigvalsh(gram / count).clamp(min=0)
    return torch.special.entr(eigenvalues).sum().exp()
