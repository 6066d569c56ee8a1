"""Diversity of sentences as vectors: mean pairwise cosine and the Vendi score.

Both follow from sums over the vectors, so that a caller may read these block by block.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_pairwise_cosine(total: Tensor, count: int) -> Tensor:
    """Return the mean cosine over all pairs of unit vectors, computed from their sum alone.

    ‖Σv‖² = n + Σ_{i≠j} v_i·v_j, so the mean over the n(n − 1) ordered pairs is
    (‖Σv‖² − n) / (n(n − 1)).

    Args:
        total: (d,), sum of the vectors.
        count: n. The result is NaN for n < 2.
    """
    if count < 2:
        return total.new_full((), torch.nan)
    return (total.square().sum() - count) / (count * (count - 1))


def vendi_score(products: Tensor, count: int) -> Tensor:
    """Return the effective number of different vectors: exp of the entropy of K/n's eigenvalues.

    K is the n x n Gram matrix XXᵀ of the unit vectors (Friedman and Dieng 2023, definition 3.1).
    Its non-zero eigenvalues are those of XᵀX. The score is 1 for n copies of a vector, and n for n
    orthogonal vectors.

    Args:
        products: (d, d), XᵀX.
        count: n, at least 1.
    """
    eigenvalues = torch.linalg.eigvalsh(products / count).clamp(min=0)
    return torch.special.entr(eigenvalues).sum().exp()
