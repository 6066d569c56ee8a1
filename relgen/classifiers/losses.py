"""Losses of relation classifiers: free functions of tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: Tensor) -> Tensor:
    """Cross-entropy against targets that differ in how sure they are.

    A sample's target is `1 - s` on its label plus `s / R` on every label (Szegedy et al. 2016,
    equation 8), so its loss is `(1 - s) * -log p[label] + s * mean(-log p)`.

    Args:
        logits: (B, R).
        labels: (B,) indices.
        smoothing: (B,) each sample's s, from 0 to 1.

    Returns:
        (B,) losses.
    """
    logs = F.log_softmax(logits, dim=-1)  # (B, R)
    hit = -logs.gather(1, labels[:, None])[:, 0]
    return (1 - smoothing) * hit + smoothing * -logs.mean(dim=-1)


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """The mean of `losses` (B,) under `weights` (B,); 0, with a gradient of 0, without weight.

    The weights are normalised within the batch: a sample of weight 0 leaves the others' mean as if
    it were not there.
    """
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(losses.dtype).tiny)


def by_source(generated: Tensor, human_value: float, generated_value: float) -> Tensor:
    """One number a sample, by who wrote it: `generated` (B,) flags -> (B,) numbers."""
    return torch.where(generated, generated_value, human_value)
