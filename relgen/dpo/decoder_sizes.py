"""The sizes of a language model and its adapter, read without loading weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from relgen.dpo.logps import has_plain_head, tree_difference
from relgen.kernels import ATTENTION
from relgen.models import add_lora, check_architecture, missing_model, resolve_model

_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
LINEAR_LAYERS = (*(f"self_attn.{x}" for x in _LINEAR[:4]), *(f"mlp.{x}" for x in _LINEAR[4:]))


class DecoderSizes(NamedTuple):
    """The sizes of a dense decoder with gated feed-forward layers (Llama's form)."""

    layers: int  # L
    width: int  # D, of hidden states
    inner_width: int  # I, of feed-forward layers
    queries: int  # Q, of a token's queries
    keys: int  # K, of a token's keys, and of its values
    heads: int  # of queries
    vocabulary: int  # V
    other_weights: int  # outside linear layers: embeddings, norms, biases, the head
    plain_head: bool  # False where the logits are scaled or capped after the head
    rank: int  # r of the adapter
    adapted: tuple[str, ...]  # a layer's linear layers with an adapter
    adapter: int  # trained numbers

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """Return the numbers of inputs and outputs of a layer's linear layers, by name."""
        d, i, q, k = self.width, self.inner_width, self.queries, self.keys
        ends = [(d, q), (d, k), (d, k), (q, d), (d, i), (d, i), (i, d)]
        return dict(zip(LINEAR_LAYERS, ends, strict=True))


def read_sizes(
    model: str, *, rank: int, target_modules: str | Sequence[str]
) -> DecoderSizes | None:
    """Read the sizes of a model, an embedded name, a local folder or a Hub id, with an adapter.

    Returns None if its layers have another structure. Raises InputError if the model cannot be
    found, packed trees do not suit it, or no layer has a name among `target_modules`.
    """
    check_architecture(model, "tuning", tree_difference)
    with missing_model(model):
        config = AutoConfig.from_pretrained(resolve_model(model), attn_implementation=ATTENTION)
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config)
    text: Any = config.get_text_config()
    layers = list(getattr(base.get_decoder(), "layers", ()))
    names = {
        tuple(name for name, part in layer.named_modules() if isinstance(part, nn.Linear))
        for layer in layers
    }
    if names != {LINEAR_LAYERS} or getattr(text, "hidden_act", None) != "silu":
        return None
    linear = [layers[0].get_submodule(name) for name in LINEAR_LAYERS]
    weights = sum(weight.numel() for weight in base.parameters())
    # `add_lora` seeds the device's generator, which a training in progress must not notice
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        policy = add_lora(base, rank=rank, target_modules=target_modules)
    return DecoderSizes(
        layers=len(layers),
        width=linear[0].in_features,
        inner_width=linear[-1].in_features,
        queries=linear[0].out_features,
        keys=linear[1].out_features,
        heads=text.num_attention_heads,
        vocabulary=text.vocab_size,
        other_weights=weights - len(layers) * sum(math.prod(one.weight.shape) for one in linear),
        plain_head=has_plain_head(config),
        rank=rank,
        adapted=tuple(x for x in LINEAR_LAYERS if hasattr(layers[0].get_submodule(x), "lora_A")),
        adapter=sum(weight.numel() for weight in policy.parameters() if weight.requires_grad),
    )
