"""FSDP: every process keeps a part of each layer, for models that do not fit on one device.

The decoder's layers and its last norm are sharded. The embedding and the LM head stay whole in each
process, since packed DPO calls the head by itself, on few positions. torch does not shard 4-bit
weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from lightning.pytorch.strategies import ModelParallelStrategy, Strategy
from peft import PeftModel
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from relgen.common import InputError


class FullyShardedStrategy(ModelParallelStrategy):
    """Lightning's strategy for `fully_shard` (FSDP2), over all processes of the run.

    Its checkpoints are those of one process or DDP, one file with whole tensors of the trained
    weights, so that a run can resume on another number of devices.

    Args:
        timeout: time after which an unresponsive process ends the run.
    """

    def __init__(self, timeout: timedelta = timedelta(minutes=10)) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False, timeout=timeout)

    def setup_environment(self) -> None:
        """Shard over all processes; Lightning would shard within each machine only."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Return True: the Trainer restores the optimiser, as with one process."""
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return the trained weights as whole tensors; all processes must call this."""
        assert self.lightning_module is not None
        return trained_weights(self.lightning_module.named_parameters())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the optimiser's state with whole tensors; all processes must call this."""
        state = optimizer.state_dict()
        per_weight = {
            index: {name: whole(value) for name, value in values.items()}
            for index, values in state["state"].items()
        }
        return {**state, "state": per_weight}

    def load_checkpoint(
        self, checkpoint_path: Any, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read the whole file in every process."""
        path = self.broadcast(checkpoint_path)
        return Strategy.load_checkpoint(self, path, weights_only=weights_only)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        assert self.lightning_module is not None
        weights = dict(self.lightning_module.named_parameters())
        state = {
            key: _part_of(value, weights[key]) if key in weights else value
            for key, value in checkpoint["state_dict"].items()
        }
        self.lightning_module.load_state_dict(state, strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        states = checkpoint["optimizer_states"]
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)
            for weight, values in optimizer.state.items():
                for name, value in values.items():
                    if isinstance(value, Tensor) and value.shape == weight.shape:
                        values[name] = _part_of(value, weight)


def check_shardable(quantization: str | None) -> None:
    """Raise InputError for 4-bit weights, before they are loaded."""
    if quantization is not None:
        raise InputError(
            "4-bit weights cannot be sharded",
            field="quantization",
            value=quantization,
            remedy="use trainer/fsdp without quantization, or nf4 with trainer/ddp, where every "
            "device holds the whole model in a quarter of the memory",
        )


def shard(policy: PeftModel, mesh: DeviceMesh) -> None:
    """Shard the decoder's weights over the mesh's `data_parallel` processes, layer by layer.

    They move to the mesh's device. Raises InputError for an adapter on layers that are not sharded.
    """
    base: Any = policy.get_base_model()
    decoder = base.get_decoder()
    over = mesh["data_parallel"]
    for layer in decoder.layers:
        fully_shard(layer, mesh=over)
    outside = {*base.get_input_embeddings().parameters()}
    fully_shard(decoder, mesh=over, ignored_params=outside)
    for name, weight in policy.named_parameters():
        if weight.requires_grad and not isinstance(weight, DTensor):
            raise InputError(
                "with trainer/fsdp an adapter can be on the decoder's layers only",
                field="lora_target_modules",
                value=name,
                remedy="use all-linear, or names of layers in the decoder",
            )


def trained_weights(named: Iterable[tuple[str, Parameter]]) -> dict[str, Tensor]:
    """Return the trained weights, whole and detached; if sharded, all processes must call this."""
    return {name: whole(weight.detach()) for name, weight in named if weight.requires_grad}


def whole(value: Any) -> Any:
    """Return a sharded tensor whole, on the CPU; return anything else unchanged."""
    return value.full_tensor().cpu() if isinstance(value, DTensor) else value


def _part_of(value: Tensor, like: Tensor) -> Tensor:
    """Return this process's part of a tensor, or all of it if `like` is not sharded."""
    if not isinstance(like, DTensor):
        return value
    moved = value.to(device=like.device, dtype=like.dtype)
    return distribute_tensor(moved, like.device_mesh, like.placements)
