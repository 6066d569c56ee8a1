"""What memory a computation takes, worked out without having that memory.

Tensors without content (torch's device `meta`) go through the same code; what is alive is counted.
Not counted: what a kernel uses inside, the allocator's gaps, and the CUDA context.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from relgen.common import DType, Quantization
from relgen.kernels import attention as gqa_attention
from relgen.kernels import lm_head
from relgen.models import missing_model, resolve_model

# bitsandbytes: a scale for 64 weights; quantised again, one byte each and a float32 for 256
_WEIGHTS_A_SCALE = 64
_SCALES_A_SCALE = 256


class MemoryEstimate(NamedTuple):
    """Bytes, of one device that holds the whole model.

    Args:
        weights: the frozen base.
        adapter: the trained weights.
        optimizer: its state.
        activations: what else is alive at a step's peak: activations, gradients, logits.
        tokens: packed tokens of the batch that was taken.
    """

    weights: int
    adapter: int
    optimizer: int
    activations: int
    tokens: int

    def __str__(self) -> str:
        parts = {
            "weights": self.weights,
            "adapter": self.adapter,
            "optimiser": self.optimizer,
            "activations": self.activations,
            "total": self.total,
        }
        lines = [f"  {name:12}{size / (1 << 30):7.2f} GiB" for name, size in parts.items()]
        head = f"one device, at a batch of {self.tokens:,} packed tokens:"
        note = "not counted: the allocator's gaps, and on a GPU the CUDA context (about 0.5 GiB)"
        return "\n".join([head, *lines, note])

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.adapter + self.optimizer + self.activations


@runtime_checkable
class EstimatesMemory(Protocol):
    """A module that knows what a step of it takes."""

    def estimate_memory(self, batch: Any) -> MemoryEstimate:
        """For one batch; nothing is loaded but the model's configuration."""


@runtime_checkable
class HasHeaviestBatch(Protocol):
    """A data module that can tell its largest batch."""

    def heaviest_batch(self, epochs: int, processes: int) -> Any:
        """Of so many epochs, dealt to so many processes; on the CPU."""


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors made inside it, while they are alive.

    with LiveBytes() as memory:
        loss = model(batch)
    memory.now, memory.peak
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._alive: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        for storage in _storages((args, kwargs)):
            self._count(storage, 0)  # unless made inside
        result = func(*args, **kwargs)
        for storage in _storages(result):
            self._count(storage, storage.nbytes())
        return result

    def _count(self, storage: torch.UntypedStorage, size: int) -> None:
        key = storage._cdata
        if key in self._alive:
            return
        self._alive.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._alive.discard(key)
        self.now -= size


@contextlib.contextmanager
def fused_attention(device: str) -> Iterator[None]:
    """Attention as fused kernels do it: on the device `meta`, torch would keep all the scores.

    Args:
        device: whose kernels; where they take no grouped keys and values, these are repeated.
    """
    grouped = gqa_attention._takes_groups(device)
    at_once = lm_head.logits_at_once(device)
    # a TorchFunctionMode is off within a backward pass, where layers may be computed again
    with (
        mock.patch.object(F, "scaled_dot_product_attention", _fused),
        mock.patch.object(gqa_attention, "_takes_groups", return_value=grouped),
        mock.patch.object(lm_head, "logits_at_once", return_value=at_once),
    ):
        yield


def _fused(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype)
    # the kernel takes grouped keys and values as they are (`enable_gqa`)
    attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    output: Tensor = attend(
        query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale
    )[0]
    return output


class PackedLinear(nn.Linear):
    """Stands for a 4-bit layer: computes in one type, whatever type its input has."""

    def forward(self, input: Tensor) -> Tensor:
        """(…, I) to (…, O), in the input's type."""
        return super().forward(input.to(self.weight.dtype)).to(input.dtype)


def skeleton(
    name: str,
    *,
    dtype: DType,
    quantization: Quantization | None,
    compute_dtype: DType,
    attention: str,
) -> PreTrainedModel:
    """The model of `load_language_model`, from its configuration alone, on the device `meta`.

    4-bit layers are `PackedLinear`; as in training, what is not quantised is then in float32.

    Args:
        name: embedded name, local folder or Hub id.
        dtype: of the weights that are not quantised.
        quantization: `nf4` or None.
        compute_dtype: what the 4-bit layers compute in.
        attention: a registered attention function.

    Raises:
        InputError: the model's configuration cannot be found.
    """
    with missing_model(name):
        config = AutoConfig.from_pretrained(resolve_model(name))
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(
            config, attn_implementation=attention, dtype=getattr(torch, dtype)
        )
    model.eval()
    if quantization is None:
        return model
    packed = _linear_layers(model)
    for layer in packed:
        layer.__class__ = PackedLinear
        layer.to(getattr(torch, compute_dtype))
    inside = {id(parameter) for layer in packed for parameter in layer.parameters()}
    for parameter in model.parameters():
        if id(parameter) not in inside:
            parameter.data = parameter.data.float()
    return model


def weight_bytes(model: nn.Module, *, double_quantization: bool) -> int:
    """Bytes of a skeleton's frozen weights: 4-bit layers as bitsandbytes stores them."""
    packed = {id(m.weight) for m in model.modules() if isinstance(m, PackedLinear)}
    total = 0.0
    for parameter in model.parameters():
        if parameter.requires_grad:
            continue
        if id(parameter) in packed:
            total += parameter.numel() * _packed_bytes(double_quantization)
        else:
            total += parameter.numel() * parameter.element_size()
    return round(total)


def unpacked_bytes(model: nn.Module) -> int:
    """Bytes of the largest 4-bit layer once it is unpacked, as each is for its product; or 0."""
    sizes = [
        m.weight.numel() * m.weight.element_size()
        for m in model.modules()
        if isinstance(m, PackedLinear)
    ]
    return max(sizes, default=0)


def tensor_bytes(tensors: Iterable[Tensor]) -> int:
    """Their bytes."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [v.untyped_storage() for v in tree_leaves(values) if isinstance(v, Tensor)]


def _packed_bytes(double_quantization: bool) -> float:
    """Bytes a 4-bit weight takes with its share of the scales."""
    scale = 1 + 4 / _SCALES_A_SCALE if double_quantization else 4
    return 0.5 + scale / _WEIGHTS_A_SCALE


def _linear_layers(model: PreTrainedModel) -> list[nn.Linear]:
    """What bitsandbytes would quantise: all but the LM head."""
    head = model.get_output_embeddings()
    return [m for m in model.modules() if isinstance(m, nn.Linear) and m is not head]
