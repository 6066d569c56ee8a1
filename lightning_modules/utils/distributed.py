"""What several processes have to agree on: whose loss counts how much, and when to stop.

Lightning averages gradients over processes as if each had the same number of samples. Weighted by
`share_of_processes`, the average is that of one process with all the samples.
"""

from __future__ import annotations

import torch
import torch.distributed
from torch import Tensor


def share_of_processes(weight: Tensor) -> Tensor:
    """By what a process' mean is multiplied, so that the processes' average is the mean over all.

        losses.mean() * share_of_processes(torch.tensor(float(len(losses))))

    Args:
        weight: what this process' mean is over: a scalar, such as its number of samples.

    Returns:
        A scalar: the number of processes times this one's share of the weight; 1 for a single
        process, and 0 for one without weight.
    """
    if not _several():
        return torch.ones_like(weight)
    total = weight.detach().clone()
    torch.distributed.all_reduce(total)
    tiny = torch.finfo(weight.dtype).tiny
    return weight * torch.distributed.get_world_size() / total.clamp(min=tiny)


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is up on any process; all of them must ask."""
    if not _several():
        return flag
    raised = torch.tensor(float(flag), device=device)
    torch.distributed.all_reduce(raised)
    return bool(raised.item())


def _several() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
