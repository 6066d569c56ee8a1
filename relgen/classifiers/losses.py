"""Losses of relation classifiers: free functions of tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def target_probabilities(labels: Tensor, targets: Tensor, relations: int) -> Tensor:
    """What each sample is trained towards.

    Args:
        labels: (B,) indices.
        targets: (B, R) probabilities, and rows of zeros where the label is certain; or (B, 0).
        relations: R.

    Returns:
        (B, R): a row of `targets` where there is one, else 1 on the label.
    """
    certain = F.one_hot(labels, relations).float()
    if not targets.shape[1]:
        return certain
    return torch.where(targets.any(dim=1, keepdim=True), targets, certain)


def smoothed_cross_entropy(logits: Tensor, targets: Tensor, smoothing: Tensor) -> Tensor:
    """Cross-entropy against targets that differ in how sure they are.

    A sample is trained towards `1 - s` times its target plus `s / R` on every label (Szegedy et al.
    2016, equation 8), so its loss is `(1 - s) * -sum(target * log p) + s * mean(-log p)`.

    Args:
        logits: (B, R).
        targets: (B, R) probabilities.
        smoothing: (B,) each sample's s, from 0 to 1.

    Returns:
        (B,) losses.
    """
    logs = F.log_softmax(logits, dim=-1)  # (B, R)
    hit = -(targets * logs).sum(dim=-1)
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
