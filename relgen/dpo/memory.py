"""The memory of a DPO step, computed from the model's configuration and the shape of the batch.

    total = weights + adapter + optimiser + activations

*Weights* are the frozen base, *adapter* the trained weights, *optimiser* its state. *Activations*
are everything else at the step's peak: the adapter's gradients, the tensors that autograd keeps for
the backward pass, and the intermediate results when that pass begins. autograd keeps

    L · (N · kept_per_token + copies of keys, values and masks) + final norm + head

or, if layers are recomputed, L · N · D · (bytes of a hidden state) and the above for one layer.

L layers, N tokens, T targets; D, I, Q and K are the widths of hidden states, feed-forward layers,
queries and keys; V is the size of the vocabulary, r the adapter's rank.

For dense decoders with gated feed-forward layers (Llama's form), without their biases. Buffers
inside kernels, the allocator's gaps and the CUDA context are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from relgen.common import DType, Quantization, resolved
from relgen.dpo.decoder_sizes import DecoderSizes
from relgen.dpo.prefix_tree import Span, TreeBatch, micro_batches
from relgen.dpo.tree_attention import TreePlan
from relgen.kernels import can_tile, in_use

_BYTES: dict[DType, int] = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
_GIB = 1 << 30


class MemoryEstimate(NamedTuple):
    """Bytes on one device that holds the whole model, for a batch of `tokens` packed tokens."""

    weights: int
    adapter: int
    optimizer: int
    activations: int
    tokens: int

    def __str__(self) -> str:
        rows = {
            "weights": self.weights,
            "adapter": self.adapter,
            "optimiser": self.optimizer,
            "activations": self.activations,
            "total": self.total,
        }
        lines = [f"  {name:12}{size / _GIB:7.2f} GiB" for name, size in rows.items()]
        head = f"one device, for a batch of {self.tokens:,} packed tokens:"
        note = "not counted: the allocator's gaps, and on a GPU the CUDA context (about 0.5 GiB)"
        return "\n".join([head, *lines, note])

    @property
    def total(self) -> int:
        """The sum of all four."""
        return self.weights + self.adapter + self.optimizer + self.activations


@runtime_checkable
class EstimatesMemory(Protocol):
    """A module that can estimate the memory of a step."""

    def estimate_memory(self, batch: Any, precision: str) -> MemoryEstimate:
        """Return the estimate for a batch, given the trainer's precision, such as `bf16-mixed`."""


@runtime_checkable
class HasHeaviestBatch(Protocol):
    """A data module that can find its largest batch."""

    def heaviest_batch(self, epochs: int, processes: int) -> Any:
        """Return the largest batch of the first epochs, divided among processes, on the CPU."""


class TrainingSettings(NamedTuple):
    """The settings of a training that affect the memory of a step.

    The first four and the rank are those of `lightning_modules.dpo.DPOModule`.

    Args:
        autocast: products are computed in half precision (`bf16-mixed`).
        targets: the linear layers with an adapter (`adapted_layers`).
        dropout: the adapter has dropout.
        recompute: layers are recomputed in the backward pass (gradient checkpointing).
        on_cpu: the device is a CPU.
        kernels: those of `gated`, `tiles` and `head` that are in use (`kernels_in_use`).
    """

    dtype: DType
    quantization: Quantization | None
    double_quantization: bool
    compute_dtype: DType
    autocast: bool
    rank: int
    targets: tuple[str, ...]
    dropout: bool
    recompute: bool
    on_cpu: bool
    kernels: frozenset[str]

    @property
    def hidden(self) -> int:
        """Bytes of a number in the hidden states; with 4-bit layers these are float32."""
        return 4 if self.quantization else _BYTES[resolved(self.dtype)]

    @property
    def product(self) -> int:
        """Bytes of a number in a linear layer's output."""
        return 2 if self.autocast and not self.quantization else self.hidden

    @property
    def attention(self) -> int:
        """Bytes of a number in the queries, keys and values that attention takes."""
        return 2 if self.autocast else self.product

    @property
    def trained(self) -> int:
        """Bytes of a trained number; PEFT keeps adapters in float32 or wider."""
        return max(4, self.hidden)

    @property
    def adapter_input(self) -> int:
        """Bytes of a number in the inputs of an adapter's A and B."""
        return 2 if self.autocast else self.trained

    @property
    def uses_gated(self) -> bool:
        """True if the feed-forward kernel applies: a single precision, no dropout."""
        plain = not (self.quantization or self.autocast or self.dropout) and self.hidden >= 4
        return "gated" in self.kernels and plain and "mlp.down_proj" in self.targets

    @property
    def uses_tiles(self) -> bool:
        """True if the kernel for attention over trees applies: float32 on a CPU."""
        return "tiles" in self.kernels and self.on_cpu and self.hidden == 4 and not self.autocast


class Pass(NamedTuple):
    """The sizes of one forward pass.

    Args:
        tokens: N.
        targets: T.
        trunk: number of tokens that attend causally.
        seen: number of keys that blocks of branches see, summed over blocks.
        scores: number of entries in these blocks' masks.
    """

    tokens: int
    targets: int
    trunk: int
    seen: int
    scores: int


def estimate_memory(
    sizes: DecoderSizes,
    settings: TrainingSettings,
    batch: TreeBatch,
    optimizer: Callable[[list[Parameter]], Optimizer],
    *,
    branch_tokens: int | None = None,
) -> MemoryEstimate:
    """Estimate the memory of one optimiser step.

    Args:
        sizes: of the model.
        settings: of the training.
        batch: packed trees, on the CPU.
        optimizer: builds the optimiser.
        branch_tokens: as for `tree_losses`.
    """
    trunks: Pass | None = None
    passes = [whole_pass(batch)]
    if branch_tokens is not None:
        found = trunk_and_branches(batch, branch_tokens)
        if len(found[1]) > 1:
            trunks, passes = found
    numbers = adapter_numbers(sizes, settings)
    return MemoryEstimate(
        weights=weight_bytes(sizes, settings),
        adapter=numbers * settings.trained,
        optimizer=optimizer_bytes(
            optimizer,
            numbers,
            tensors=2 * sizes.layers * len(settings.targets),
            dtype=torch.float64 if settings.trained == 8 else torch.float32,
        ),
        activations=activation_bytes(sizes, settings, passes, trunks),
        tokens=batch.tokens,
    )


def whole_pass(batch: TreeBatch) -> Pass:
    """Return the pass of all tokens of a batch."""
    return _pass(batch, batch.whole, len(batch.target_ids))


def trunk_and_branches(batch: TreeBatch, branch_tokens: int) -> tuple[Pass, list[Pass]]:
    """Return the pass of the trunks and those of the branches, as `tree_losses` splits them."""
    branches = [
        _pass(batch, part.span, part.targets.stop - part.targets.start)
        for part in micro_batches(batch, branch_tokens)
    ]
    return _pass(batch, batch.trunks, 0), branches


def _pass(batch: TreeBatch, span: Span, targets: int) -> Pass:
    blocks = [block.mask.shape for block in TreePlan(batch, span=span).blocks()]
    return Pass(
        tokens=span.end - span.start,
        targets=targets,
        trunk=sum(end - start for start, end in span.trunks(batch)),
        seen=sum(keys for _, keys in blocks),
        scores=sum(queries * keys for queries, keys in blocks),
    )


def weight_bytes(sizes: DecoderSizes, settings: TrainingSettings) -> int:
    """Return the bytes of the frozen base.

    bitsandbytes packs two weights of a linear layer into a byte, with a scale for 64 of them:
    float32, or quantised again as one byte and a float32 for 256 scales.
    """
    a_weight: float = settings.hidden
    if settings.quantization:
        scale = 1 + 4 / 256 if settings.double_quantization else 4
        a_weight = 0.5 + scale / 64
    linear = sizes.weights - sizes.embeddings
    return round(linear * a_weight) + sizes.embeddings * settings.hidden


def adapter_numbers(sizes: DecoderSizes, settings: TrainingSettings) -> int:
    """Return the number of trained numbers: A is (r, inputs), B is (outputs, r)."""
    ends = sum(sum(sizes.linear_layers[name]) for name in settings.targets)
    return sizes.layers * settings.rank * ends


def optimizer_bytes(
    make: Callable[[list[Parameter]], Optimizer], numbers: int, tensors: int, dtype: torch.dtype
) -> int:
    """Return the bytes of an optimiser's state.

    Measured in a step over six numbers. Optimisers of other libraries than torch may work on a GPU
    only; they are assumed to keep two numbers a weight, of one byte each if named "8bit".

    Args:
        make: builds the optimiser.
        numbers: number of trained numbers.
        tensors: number of tensors that hold them.
        dtype: their type.
    """
    probe = Parameter(torch.zeros(2, 3, dtype=dtype))
    probe.grad = torch.zeros_like(probe)
    optimizer: Any = make([probe])
    if not type(optimizer).__module__.startswith("torch."):
        return numbers * (2 if "8bit" in type(optimizer).__name__ else 8)
    optimizer.step()
    states = [v for v in optimizer.state[probe].values() if isinstance(v, torch.Tensor)]
    a_number = sum(state.itemsize for state in states if state.shape == probe.shape)
    a_tensor = sum(state.nbytes for state in states if state.shape != probe.shape)
    return a_number * numbers + a_tensor * tensors


def kept_per_token(sizes: DecoderSizes, settings: TrainingSettings) -> int:
    """Return the bytes that autograd keeps of a token for the backward pass of one layer.

    - norms: each keeps its input in float32; the hidden states themselves where these are float32.
    - attention: queries, keys and values. torch's kernels also keep their output and a float32 a
      head; the kernel `tiles` does not.
    - feed-forward: gate, up and the activation; the kernel `gated` recomputes the last one.
    - adapters: the inputs of A (`_adapter_inputs`), and the r inputs of B.
    """
    norms = 2 * sizes.width * max(4, settings.hidden)
    attention = (sizes.queries + 2 * sizes.keys) * settings.attention
    if not settings.uses_tiles:
        attention += sizes.queries * settings.attention + 4 * sizes.heads
    feed_forward = (2 if settings.uses_gated else 3) * sizes.inner_width * settings.product
    handed_on = len(settings.targets) * settings.rank * settings.adapter_input
    return norms + attention + feed_forward + _adapter_inputs(sizes, settings) + handed_on


def _adapter_inputs(sizes: DecoderSizes, settings: TrainingSettings) -> int:
    """Return the bytes that a layer's adapters keep of a token: the inputs of their A matrices.

    Adapters with the same input share it, unless each casts it or applies dropout to it. The frozen
    layers keep nothing.
    """
    read = {
        ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"): settings.hidden,
        ("self_attn.o_proj",): settings.attention,
        ("mlp.gate_proj", "mlp.up_proj"): settings.hidden,
        ("mlp.down_proj",): settings.product,
    }
    total = 0
    for layers, size in read.items():
        adapted = sum(name in settings.targets for name in layers)
        if not adapted or (layers == ("mlp.down_proj",) and settings.uses_gated):
            continue  # the kernel recomputes this input
        width, _ = sizes.linear_layers[layers[0]]
        shared = size == settings.adapter_input and not settings.dropout
        total += width * settings.adapter_input * (1 if shared else adapted)
        if settings.dropout:
            # a GPU keeps a byte for each number, a CPU the factors
            total += width * adapted * (max(4, size) if settings.on_cpu else 1)
    return total


def kept_of_layer(sizes: DecoderSizes, settings: TrainingSettings, tokens: Pass) -> int:
    """Return the bytes that autograd keeps for the backward pass of one layer.

    torch's kernels are called for the trunks and for blocks of branches; each block keeps a copy of
    the keys and values that it sees, and its mask as numbers. On a GPU these keys and values are
    repeated for all heads.
    """
    kept = tokens.tokens * kept_per_token(sizes, settings)
    if not settings.uses_tiles:
        keys = sizes.keys if settings.on_cpu else sizes.queries
        copied = tokens.seen * keys + tokens.trunk * (keys - sizes.keys)
        kept += (2 * copied + tokens.scores) * settings.attention
    if settings.autocast and not settings.quantization and settings.hidden > 2:
        # the frozen layers keep their weights, cast to half precision
        kept += 2 * sum(map(math.prod, sizes.linear_layers.values()))
    return kept


def kept_of_pass(sizes: DecoderSizes, settings: TrainingSettings, tokens: Pass) -> int:
    """Return the bytes that autograd keeps of a pass for its backward pass."""
    hidden_states = tokens.tokens * sizes.width * settings.hidden
    layer = hidden_states if settings.recompute else kept_of_layer(sizes, settings, tokens)
    final_norm = tokens.tokens * sizes.width * max(4, settings.hidden)
    if "head" in settings.kernels and sizes.plain_head:  # a gradient of each target's hidden state
        head = tokens.targets * sizes.width * settings.product
    else:  # log-probabilities of all words in float32
        head = 4 * tokens.targets * sizes.vocabulary
    return layer * sizes.layers + final_norm + head


def beginning_of_backward(sizes: DecoderSizes, settings: TrainingSettings, tokens: Pass) -> int:
    """Return the bytes of intermediate results when the backward pass begins.

    At the head: two parts of the logits in float32 (the kernel), or two gradients of the size of
    the log-probabilities (autograd). At the last layer: gradients of gate, up and their product,
    three of hidden states, and what the layer keeps if it is recomputed.
    """
    logits = tokens.targets * sizes.vocabulary
    if "head" in settings.kernels and sizes.plain_head:
        some = min(logits, 1 << (22 if settings.on_cpu else 24))
        head = 2 * 4 * some + 4 * tokens.targets * sizes.width
        if settings.autocast and settings.hidden > 2:
            head += 2 * sizes.vocabulary * sizes.width  # the head's weights, cast
    else:
        head = 2 * 4 * logits
    widths = sizes.inner_width * settings.product + sizes.width * settings.hidden
    layer = 3 * tokens.tokens * widths
    if settings.recompute:
        layer += kept_of_layer(sizes, settings, tokens)
    return max(head, layer)


def activation_bytes(
    sizes: DecoderSizes,
    settings: TrainingSettings,
    passes: Sequence[Pass],
    trunks: Pass | None = None,
) -> int:
    """Return the bytes of a step's peak beside weights, adapter and optimiser.

    Args:
        sizes: of the model.
        settings: of the training.
        passes: one pass of all tokens, or successive passes of the branches.
        trunks: the pass of the trunks if branches have their own passes. It is kept meanwhile, with
            sums of the gradients of the adapter and of the trunks' keys and values.
    """
    gradients = adapter_numbers(sizes, settings) * settings.trained
    peak = gradients + max(
        kept_of_pass(sizes, settings, one) + beginning_of_backward(sizes, settings, one)
        for one in passes
    )
    if settings.quantization:
        # 4-bit layers are unpacked for their product, one at a time
        largest = max(map(math.prod, sizes.linear_layers.values()))
        peak += largest * _BYTES[resolved(settings.compute_dtype)]
    if trunks is not None:
        states = 2 * sizes.layers * trunks.tokens * sizes.keys * settings.attention
        peak += kept_of_pass(sizes, settings, trunks) + gradients + states
    return peak


def kernels_in_use() -> frozenset[str]:
    """Return the kernels in use on this machine that change a step's memory."""
    probe = torch.empty(0)
    found = {
        "gated": in_use("gated") and in_use("lora"),
        "tiles": can_tile(probe, probe),
        "head": in_use("head"),
    }
    return frozenset(name for name, used in found.items() if used)
