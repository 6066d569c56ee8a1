"""Finds labels that are probably wrong, by confident learning.

Northcutt, Jiang and Chuang 2021, *Confident Learning: Estimating Uncertainty in Dataset Labels*,
JAIR 70, arXiv 1911.00068; the rule of `find_label_issues(filter_by="confident_learning")` in
cleanlab, which would bring scikit-learn and SciPy for these few lines.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def likelier_labels(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the label that each sample more likely has, (N,); -1 where its own one stands.

    A label is likely for a sample if it is at least as probable as for the average sample that has
    it (equation 2). Where the most probable of the likely labels is another one than the sample's,
    the sample is outside of the diagonal of the confident joint (equation 1). As in cleanlab, one
    whose own label is more probable still is left alone.

    `probabilities` (N, R) are cross-validated, and NaN in rows that cannot be judged; `labels` are
    (N,).
    """
    own = probabilities.gather(1, labels[:, None])[:, 0]  # (N,)
    thresholds = torch.full((probabilities.shape[1],), math.inf)  # (R,)
    for label in labels[~own.isnan()].unique():
        thresholds[label] = own[labels == label].nanmean()
    likely = probabilities.where(probabilities >= thresholds, -1.0)  # (N, R)
    best, found = likely.max(dim=1)
    return found.where(best > own, -1)
