"""The sizes of a language model, read from its configuration without loading weights."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from relgen.common import InputError
from relgen.dpo.logps import has_plain_head
from relgen.dpo.tree_attention import check_attention
from relgen.kernels import ATTENTION
from relgen.models import missing_model, resolve_model


class DecoderSizes(NamedTuple):
    """The sizes of a dense decoder with gated feed-forward layers (Llama's form), no biases.

    `plain_head` is False where the logits are scaled or capped after the head.
    """

    layers: int
    width: int
    inner_width: int
    heads: int
    key_value_heads: int
    head_width: int
    vocabulary: int
    tied: bool
    plain_head: bool = True

    @property
    def queries(self) -> int:
        """The width Q of a token's queries."""
        return self.heads * self.head_width

    @property
    def keys(self) -> int:
        """The width K of a token's keys, and of its values."""
        return self.key_value_heads * self.head_width

    @property
    def linear_layers(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of the linear layers of a decoder layer, by their names."""
        attention = {
            "self_attn.q_proj": (self.width, self.queries),
            "self_attn.k_proj": (self.width, self.keys),
            "self_attn.v_proj": (self.width, self.keys),
            "self_attn.o_proj": (self.queries, self.width),
        }
        feed_forward = {
            "mlp.gate_proj": (self.width, self.inner_width),
            "mlp.up_proj": (self.width, self.inner_width),
            "mlp.down_proj": (self.inner_width, self.width),
        }
        return attention | feed_forward

    @property
    def embeddings(self) -> int:
        """The number of weights of the embeddings, the norms and the head."""
        rows = self.vocabulary * (1 if self.tied else 2) + 2 * self.layers + 1
        return rows * self.width

    @property
    def weights(self) -> int:
        """The number of all weights."""
        linear = sum(map(math.prod, self.linear_layers.values()))
        return self.layers * linear + self.embeddings


class UnknownSizesError(InputError):
    """The memory of a model cannot be estimated: its layers are of another form."""


def read_sizes(model: str) -> DecoderSizes:
    """Read the sizes of a model: an embedded name, a local folder or a Hub id.

    Raises:
        UnknownSizesError: the layers are of another form.
        InputError: the model cannot be found, or its attention does not allow packed trees.
    """
    with missing_model(model):
        config = AutoConfig.from_pretrained(resolve_model(model), attn_implementation=ATTENTION)
    check_attention(config)
    return sizes_of(config)


def sizes_of(config: PretrainedConfig) -> DecoderSizes:
    """Return the sizes of a dense decoder with gated feed-forward layers.

    Raises:
        UnknownSizesError: the layers are of another form: the number of weights that the sizes
            give is not that of the model.
    """
    text: Any = config.get_text_config()
    try:
        heads = text.num_attention_heads
        sizes = DecoderSizes(
            layers=text.num_hidden_layers,
            width=text.hidden_size,
            inner_width=text.intermediate_size,
            heads=heads,
            key_value_heads=getattr(text, "num_key_value_heads", None) or heads,
            head_width=getattr(text, "head_dim", None) or text.hidden_size // heads,
            vocabulary=text.vocab_size,
            tied=bool(getattr(text, "tie_word_embeddings", False)),
            plain_head=has_plain_head(config),
        )
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        weights = sum(weight.numel() for weight in model.parameters())
        known = text.hidden_act == "silu" and abs(sizes.weights - weights) <= 0.03 * weights
    except (AttributeError, TypeError, ValueError):
        known = False
    if not known:
        raise UnknownSizesError(
            "memory can be estimated for dense decoders with gated feed-forward layers only",
            field="model",
            value=text.model_type,
            remedy="run without --estimate, or choose a model of Llama's, Qwen's or Mistral's form",
        )
    return sizes


def adapted_layers(targets: str | Sequence[str], sizes: DecoderSizes) -> tuple[str, ...]:
    """Return the linear layers that get an adapter, by PEFT's rules for `target_modules`.

    Args:
        targets: `all-linear`, a regular expression over full names, or ends of names.
        sizes: of the model.

    Raises:
        InputError: no layer matches.
    """

    def matches(name: str) -> bool:
        full = f"model.layers.0.{name}"
        if isinstance(targets, str):
            return targets == "all-linear" or re.fullmatch(targets, full) is not None
        return any(full.endswith(f".{target}") for target in targets)

    found = tuple(name for name in sizes.linear_layers if matches(name))
    if not found:
        raise InputError(
            "matches no linear layer of this model",
            field="lora_target_modules",
            value=targets,
            remedy=f"layers: {', '.join(sizes.linear_layers)}",
        )
    return found
