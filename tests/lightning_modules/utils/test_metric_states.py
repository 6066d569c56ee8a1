from __future__ import annotations

import pytest
import torch
from torch import nn
from torchmetrics import MeanMetric

from lightning_modules.utils.metric_states import load_metric_states, metric_states


@pytest.mark.parametrize(("rank", "mean"), [(0, 4.0), (1, 9.0)])
def test_an_epochs_mean_goes_on_in_the_first_process(rank: int, mean: float) -> None:
    before = nn.ModuleDict({"loss": MeanMetric()})
    before["loss"].update(torch.tensor([1.0, 2.0]))
    states = metric_states(before)
    assert states == {"loss.mean_value": torch.tensor(3.0), "loss.weight": torch.tensor(2.0)}
    after = nn.ModuleDict({"loss": MeanMetric()})
    load_metric_states(after, states, rank)
    after["loss"].update(torch.tensor(9.0))
    assert after["loss"].compute().item() == mean
