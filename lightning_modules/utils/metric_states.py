"""The states of metrics in a checkpoint, for the means of an epoch that was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torchmetrics import Metric


def metric_states(metrics: nn.Module) -> dict[str, Tensor]:
    """Return the states of all metrics in a module, over all processes; all must call this."""
    states = {}
    for name, metric in _metrics(metrics):
        with metric.sync_context():
            for state in metric.metric_state:
                states[f"{name}.{state}"] = getattr(metric, state).detach().cpu().clone()
    return states


def load_metric_states(metrics: nn.Module, states: Mapping[str, Tensor], rank: int) -> None:
    """Restore `metric_states` in the first process; the others start from nothing."""
    for name, metric in _metrics(metrics) if rank == 0 else ():
        for state in metric.metric_state:
            setattr(metric, state, states[f"{name}.{state}"].to(metric.device))


def _metrics(metrics: nn.Module) -> Iterator[tuple[str, Metric]]:
    named = metrics.named_modules()
    return ((name, module) for name, module in named if isinstance(module, Metric))
