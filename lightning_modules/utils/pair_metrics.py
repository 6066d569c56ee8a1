"""Means over pairs, exact for batches of any size on any number of processes.

Lightning's own weighted means are rounded when processes are combined: they divide the summed batch
sizes as integers.
"""

from __future__ import annotations

from collections.abc import Mapping

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


class PairMetrics(nn.Module):
    """Means of `PAIR_METRICS`, and of `rewards/accuracies/KIND` and `rewards/margins/KIND`.

    The mean of a kind that never occurred is NaN.
    """

    def __init__(self) -> None:
        super().__init__()
        names = [
            *PAIR_METRICS,
            *(f"{name}/{kind}" for name in _BY_KIND for kind in REJECTION_KINDS),
        ]
        self.metrics = nn.ModuleDict({name: MeanMetric(nan_strategy="error") for name in names})

    def update(self, values: Mapping[str, Tensor], kinds: Tensor) -> None:
        """Add a batch.

        Args:
            values: for each of `PAIR_METRICS`, (B,).
            kinds: (B,), indices into `relgen.dpo.preference_pairs.REJECTION_KINDS`.
        """
        everyone = torch.ones_like(kinds, dtype=torch.float32)
        for name in PAIR_METRICS:
            self[name].update(values[name], everyone)
        for index, kind in enumerate(REJECTION_KINDS):
            for name in _BY_KIND:
                self[f"{name}/{kind}"].update(values[name], (kinds == index).float())

    def __getitem__(self, name: str) -> MeanMetric:
        metric = self.metrics[name]
        assert isinstance(metric, MeanMetric)
        return metric

    def items(self) -> list[tuple[str, MeanMetric]]:
        """Return the names with their metrics."""
        return [(name, self[name]) for name in self.metrics]
