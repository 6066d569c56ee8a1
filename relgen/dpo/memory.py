"""The memory of a DPO step, computed from the model's configuration and the shape of the batch.

    total = weights + adapter + optimiser + activations

*Weights* are the frozen base, *adapter* the trained weights, *optimiser* its state. *Activations*
are everything else at the step's peak: the adapter's gradients, the tensors that autograd keeps for
the backward pass, and the intermediate results when that pass begins. autograd keeps

    L · (N · kept_per_token + copies of keys, values and masks) + final norm + head

or, if layers are recomputed, L · N · D · (bytes of a hidden state) and the above for one layer.

L layers, N tokens, T targets; D, I, Q and K are the widths of hidden states, feed-forward layers,
queries and keys; V is the size of the vocabulary, r the adapter's rank.

For dense decoders with gated feed-forward layers (Llama's form). Buffers inside kernels, the
allocator's gaps and the CUDA context are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from relgen.common import DType
from relgen.dpo.decoder_sizes import LINEAR_LAYERS, DecoderSizes
from relgen.dpo.prefix_tree import Span, TreeBatch, micro_batches
from relgen.dpo.tree_attention import TreePlan
from relgen.kernels import in_use, logits_at_once

_GIB = 1 << 30


class MemoryEstimate(NamedTuple):
    """Bytes on one device that holds the whole model, for a batch of `tokens` packed tokens."""

    weights: int
    adapter: int
    optimiser: int
    activations: int
    tokens: int

    def __str__(self) -> str:
        rows = {**self._asdict(), "total": self.total}
        rows.pop("tokens")
        lines = [f"  {name:12}{size / _GIB:7.2f} GiB" for name, size in rows.items()]
        head = f"one device, for a batch of {self.tokens:,} packed tokens:"
        note = "not counted: the allocator's gaps, and on a GPU the CUDA context (about 0.5 GiB)"
        return "\n".join([head, *lines, note])

    @property
    def total(self) -> int:
        return self.weights + self.adapter + self.optimiser + self.activations


class Pass(NamedTuple):
    """The sizes of one forward pass."""

    tokens: int  # N
    targets: int  # T
    trunk: int  # tokens that attend causally
    seen: int  # keys that blocks of branches see, summed over blocks
    scores: int  # entries in these blocks' masks

    @classmethod
    def of(cls, batch: TreeBatch, span: Span, targets: int) -> Pass:
        blocks = [block.mask.shape for block in TreePlan(batch, span=span).blocks]
        return cls(
            tokens=span.end - span.start,
            targets=targets,
            trunk=sum(end - start for start, end in span.trunks(batch)),
            seen=sum(keys for _, keys in blocks),
            scores=sum(queries * keys for queries, keys in blocks),
        )


class StepMemory:
    """The memory of a step, part by part, in bytes.

    Args:
        decoder: sizes of the model and its adapter.
        dtype: of the weights that are not quantised.
        quantized: linear layers have 4 bits.
        double_quantization: their scales are quantised as well.
        autocast: products are computed in half precision (`bf16-mixed`).
        dropout: the adapter has dropout.
        recompute: layers are recomputed in the backward pass (gradient checkpointing).
        on_cpu: the device is a CPU.
    """

    def __init__(
        self,
        decoder: DecoderSizes,
        *,
        dtype: DType = "float32",
        quantized: bool = False,
        double_quantization: bool = True,
        autocast: bool = False,
        dropout: bool = False,
        recompute: bool = False,
        on_cpu: bool = True,
    ) -> None:
        self.decoder = decoder
        self.quantized, self.double_quantization = quantized, double_quantization
        self.dropout, self.recompute, self.on_cpu = dropout, recompute, on_cpu
        # bytes of a number in hidden states (float32 around 4-bit layers), in the outputs of linear
        # layers, in the inputs of attention, in the adapter (never below float32), in its inputs
        self.hidden = 4 if quantized else getattr(torch, dtype).itemsize
        self.product = 2 if autocast and not quantized else self.hidden
        self.attention = 2 if autocast else self.product
        self.trained = max(4, self.hidden)
        self.adapter_input = 2 if autocast else self.trained
        self.casts_head = autocast and self.hidden > 2
        self.casts = self.casts_head and not quantized
        one_precision = not (quantized or autocast or dropout) and self.hidden >= 4
        gated = in_use("gated") and in_use("lora") and one_precision
        self.gated = gated and "mlp.down_proj" in decoder.adapted
        self.lean_head = in_use("head") and decoder.plain_head

    def estimate(
        self,
        batch: TreeBatch,
        optimizer_bytes: int,
        branch_tokens: int | None = None,
    ) -> MemoryEstimate:
        """Estimate the memory of one optimiser step.

        Args:
            batch: one that fits into a step.
            optimizer_bytes: of the optimiser's state for a weight (`optimizer_bytes`).
            branch_tokens: that of `tree_losses`.
        """
        trunks = None
        passes = [Pass.of(batch, batch.whole, len(batch.target_ids))]
        parts = () if branch_tokens is None else micro_batches(batch, branch_tokens)
        if len(parts) > 1:
            trunks = Pass.of(batch, batch.trunks, 0)
            targets = [part.targets.stop - part.targets.start for part in parts]
            passes = [Pass.of(batch, p.span, t) for p, t in zip(parts, targets, strict=True)]
        return MemoryEstimate(
            weights=self.weights(),
            adapter=self.adapter(),
            optimiser=optimizer_bytes * self.decoder.adapter,
            activations=self.activations(passes, trunks),
            tokens=batch.tokens,
        )

    def weights(self) -> int:
        """Return the bytes of the frozen base.

        bitsandbytes packs two weights of a linear layer into a byte, with a scale for 64 of them:
        float32, or quantised again as one byte and a float32 for 256 scales.
        """
        a_weight: float = self.hidden
        if self.quantized:
            a_weight = 0.5 + (1 + 4 / 256 if self.double_quantization else 4) / 64
        linear = self.decoder.layers * sum(map(math.prod, self.decoder.linear.values()))
        return round(linear * a_weight) + self.decoder.other_weights * self.hidden

    def adapter(self) -> int:
        return self.decoder.adapter * self.trained

    def activations(self, passes: Sequence[Pass], trunks: Pass | None = None) -> int:
        """Return the bytes of a step's peak beside weights, adapter and optimiser.

        There is one pass of all tokens, or successive passes of the branches. Then the pass of the
        trunks is kept meanwhile, with sums of the gradients of the adapter and of the trunks' keys
        and values.
        """
        peak = self.adapter() + max(self.kept(one) + self.beginning(one) for one in passes)
        if self.quantized:
            # 4-bit layers are unpacked for their product, one at a time
            peak += 2 * max(map(math.prod, self.decoder.linear.values()))
        if trunks is not None:
            states = 2 * self.decoder.layers * trunks.tokens * self.decoder.keys * self.attention
            peak += self.kept(trunks) + self.adapter() + states
        return peak

    def kept(self, tokens: Pass) -> int:
        """Return the bytes that autograd keeps of a pass for its backward pass."""
        width = self.decoder.width
        layer = tokens.tokens * width * self.hidden if self.recompute else self.layer(tokens)
        final_norm = tokens.tokens * width * max(4, self.hidden)
        # a gradient of each target's hidden state, or log-probabilities of all words in float32
        target = width * self.product if self.lean_head else 4 * self.decoder.vocabulary
        return layer * self.decoder.layers + final_norm + tokens.targets * target

    def beginning(self, tokens: Pass) -> int:
        """Return the bytes of intermediate results when the backward pass begins.

        At the head: two parts of the logits in float32 (the kernel), or two gradients of the size
        of the log-probabilities (autograd). At the last layer: gradients of gate, up and their
        product, three of hidden states, and what the layer keeps if it is recomputed.
        """
        width, vocabulary = self.decoder.width, self.decoder.vocabulary
        head = 2 * 4 * tokens.targets * vocabulary
        if self.lean_head:
            head = min(head, 8 * logits_at_once("cpu" if self.on_cpu else "cuda"))
            head += 4 * tokens.targets * width + (2 * vocabulary * width if self.casts_head else 0)
        layer = 3 * tokens.tokens * (self.decoder.inner_width * self.product + width * self.hidden)
        return max(head, layer + (self.layer(tokens) if self.recompute else 0))

    def layer(self, tokens: Pass) -> int:
        """Return the bytes that autograd keeps for the backward pass of one layer.

        torch's kernels are called for the trunks and for blocks of branches; each block keeps a
        copy of the keys and values that it sees, and its mask as numbers. On a GPU these keys and
        values are repeated for all heads.
        """
        kept = tokens.tokens * self.kept_per_token()
        keys = self.decoder.keys if self.on_cpu else self.decoder.queries
        copied = tokens.seen * keys + tokens.trunk * (keys - self.decoder.keys)
        kept += (2 * copied + tokens.scores) * self.attention
        if self.casts:  # the frozen layers keep their weights, cast to half precision
            kept += 2 * sum(map(math.prod, self.decoder.linear.values()))
        return kept

    def kept_per_token(self) -> int:
        """Return the bytes that autograd keeps of a token for the backward pass of one layer.

        - norms: each keeps its input in float32; the hidden states themselves where these are
          float32.
        - attention: queries, keys, values, the output, and a float32 a head.
        - feed-forward: gate, up and the activation; the kernel `gated` recomputes the last one.
        - adapters: the inputs of A, and the r inputs of B. Adapters with the same input share it,
          unless each casts it or applies dropout to it. The frozen layers keep nothing.
        """
        decoder = self.decoder
        kept = 2 * decoder.width * max(4, self.hidden)
        kept += 2 * (decoder.queries + decoder.keys) * self.attention + 4 * decoder.heads
        kept += (2 if self.gated else 3) * decoder.inner_width * self.product
        kept += len(decoder.adapted) * decoder.rank * self.adapter_input
        inputs = (
            (LINEAR_LAYERS[:3], decoder.width, self.hidden),
            (LINEAR_LAYERS[3:4], decoder.queries, self.attention),
            (LINEAR_LAYERS[4:6], decoder.width, self.hidden),
            # the kernel recomputes this one
            (() if self.gated else LINEAR_LAYERS[6:], decoder.inner_width, self.product),
        )
        for layers, width, size in inputs:
            names = [name for name in layers if name in decoder.adapted]
            if not names:
                continue
            shared = size == self.adapter_input and not self.dropout
            kept += width * self.adapter_input * (1 if shared else len(names))
            if self.dropout:  # a GPU keeps a byte for each number, a CPU the factors
                kept += width * len(names) * (max(4, size) if self.on_cpu else 1)
        return kept


def optimizer_bytes(
    make: Callable[[list[Parameter]], Optimizer], dtype: torch.dtype = torch.float32
) -> int:
    """Return the bytes of an optimiser's state for a weight, measured in a step over six weights.

    Optimisers of other libraries than torch may work on a GPU only; they are assumed to keep two
    numbers a weight, of one byte each if named "8bit".
    """
    probe = Parameter(torch.zeros(2, 3, dtype=dtype))
    probe.grad = torch.zeros_like(probe)
    optimizer: Any = make([probe])
    if not type(optimizer).__module__.startswith("torch."):
        return 2 if "8bit" in type(optimizer).__name__ else 8
    optimizer.step()
    states = [v for v in optimizer.state[probe].values() if isinstance(v, torch.Tensor)]
    return sum(state.itemsize for state in states if state.shape == probe.shape)
