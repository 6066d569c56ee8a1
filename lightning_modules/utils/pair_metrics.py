"""Means over pairs, exact for batches of any size on any number of processes.

Lightning's own weighted means are rounded when processes are combined: they divide the summed batch
sizes as integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from relgen.dpo import REJECTION_KINDS

PAIR_METRICS = (
    "loss",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
)
_BY_KIND = ("rewards/accuracies", "rewards/margins")


class PairMetrics(nn.ModuleDict):
    """Means of `PAIR_METRICS`, and of `rewards/accuracies/KIND` and `rewards/margins/KIND`.

    The mean of a kind that never occurred is NaN.
    """

    def __init__(self) -> None:
        by_kind = [f"{name}/{kind}" for name in _BY_KIND for kind in REJECTION_KINDS]
        names = [*PAIR_METRICS, *by_kind]
        super().__init__({name: MeanMetric(nan_strategy="error") for name in names})

    def add(self, values: Mapping[str, Tensor], kinds: Tensor) -> None:
        """Add B pairs: values (B,) of `PAIR_METRICS`, indices (B,) into `REJECTION_KINDS`."""
        means: Any = self
        for name in PAIR_METRICS:
            means[name].update(values[name], torch.ones_like(kinds, dtype=torch.float32))
        for index, kind in enumerate(REJECTION_KINDS):
            own = kinds == index
            for name in _BY_KIND:
                # others are zeroed, not only weighted by zero: an infinite margin would give NaN
                means[f"{name}/{kind}"].update(values[name].where(own, 0.0), own.float())
