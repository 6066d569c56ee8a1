"""`relgen dpo fit --estimate`: what a step of DPO will take of a device's memory.

The step itself runs, over tensors without content: nothing is loaded but the model's configuration
and the chains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from relgen.dpo import (
    LiveBytes,
    MemoryEstimate,
    TreeBatch,
    fused_attention,
    skeleton,
    tensor_bytes,
    unpacked_bytes,
    weight_bytes,
)
from relgen.kernels import ATTENTION
from relgen.models import find_device

if TYPE_CHECKING:
    from lightning_modules.dpo import DPOModule


def estimate_memory(module: DPOModule, batch: TreeBatch) -> MemoryEstimate:
    """One optimiser step of `module` on `batch`, counted.

    Args:
        module: as configured, without weights; it cannot be used afterwards.
        batch: the heaviest one, on the CPU.

    Raises:
        InputError: the model's configuration cannot be found, or its attention does not fit.
    """
    with torch.device("meta"):
        base = skeleton(
            module.model,
            dtype=module.dtype_name,
            quantization=module.quantization,
            compute_dtype=module.compute_dtype,
            attention=ATTENTION,
        )
        module.put_adapter(base)
        module.train()
        module.keep_reference = False  # as in the first epoch, which has none yet
        parts: list[Any] = [
            part.to("meta") if isinstance(part, torch.Tensor) else part for part in batch
        ]
        light = TreeBatch(*parts)
        trained = [p for p in module.parameters() if p.requires_grad]
        with fused_attention(find_device(None).type), LiveBytes() as memory:
            module.model_step(light).loss.backward()
    adapter = tensor_bytes(trained)
    return MemoryEstimate(
        weights=weight_bytes(module.policy, double_quantization=module.double_quantization),
        adapter=adapter,
        optimizer=_optimizer_bytes(module, trained),
        activations=memory.peak + unpacked_bytes(module.policy),
        tokens=batch.tokens,
    )


def _optimizer_bytes(module: DPOModule, trained: list[torch.nn.Parameter]) -> int:
    """Of torch's optimisers by a step over a small weight; of others, what their names say."""
    numbers = sum(weight.numel() for weight in trained)
    probe = torch.nn.Parameter(torch.zeros(2, 3))
    probe.grad = torch.zeros_like(probe)
    optimizer: Any = module.make_optimizer([probe])
    if not type(optimizer).__module__.startswith("torch."):
        # bitsandbytes works on a GPU only; two numbers a weight
        return numbers * (2 if "8bit" in type(optimizer).__name__ else 8)
    optimizer.step()
    states = [v for v in optimizer.state[probe].values() if isinstance(v, torch.Tensor)]
    like = [state for state in states if state.shape == probe.shape]
    once = [state for state in states if state.shape != probe.shape]
    return tensor_bytes(like) // probe.numel() * numbers + tensor_bytes(once) * len(trained)
