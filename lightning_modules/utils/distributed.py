"""Agreement between processes: the weight of each one's loss, and flags that any can set.

Lightning averages gradients over processes as if each had the same number of samples. Weighted by
`share_of_processes`, the average is that of one process with all samples.
"""

from __future__ import annotations

import torch
import torch.distributed
from torch import Tensor


def share_of_processes(weight: Tensor) -> Tensor:
    """Return the factor by which the average of all processes' means is the mean over all items.

    It is the number of processes times this one's share of the total weight: 1 for a single
    process, 0 for one without weight. The weight, (), is such as the number of samples that this
    process's mean is over.
    """
    if not _several():
        return torch.ones_like(weight)
    total = weight.detach().clone()
    torch.distributed.all_reduce(total)
    tiny = torch.finfo(weight.dtype).tiny
    return weight * torch.distributed.get_world_size() / total.clamp(min=tiny)


def any_process(flag: bool, device: torch.device) -> bool:
    """Return whether the flag is set on any process; all processes must call this."""
    if not _several():
        return flag
    raised = torch.tensor(float(flag), device=device)
    torch.distributed.all_reduce(raised)
    return bool(raised.item())


def _several() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
