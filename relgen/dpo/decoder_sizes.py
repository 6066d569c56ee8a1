"""The sizes of a language model, read from its configuration without loading weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from transformers import AutoConfig

from relgen.common import InputError
from relgen.dpo.tree_attention import check_attention
from relgen.kernels import ATTENTION
from relgen.models import missing_model, resolve_model


class DecoderSizes(NamedTuple):
    """The sizes of a dense decoder with gated feed-forward layers (Llama's form), no biases."""

    layers: int
    width: int
    inner_width: int
    heads: int
    key_value_heads: int
    head_width: int
    vocabulary: int
    tied: bool

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


def read_sizes(model: str) -> DecoderSizes:
    """Read the sizes of a model: an embedded name, a local folder or a Hub id.

    Raises:
        InputError: the model cannot be found, its attention does not allow packed trees, or its
            layers are of another form.
    """
    with missing_model(model):
        config = AutoConfig.from_pretrained(resolve_model(model), attn_implementation=ATTENTION)
    check_attention(config)
    text: Any = config.get_text_config()
    experts = getattr(text, "num_experts", None) or getattr(text, "num_local_experts", None)
    latent = getattr(text, "kv_lora_rank", None)
    gated = hasattr(text, "intermediate_size") and getattr(text, "hidden_act", "") == "silu"
    if experts or latent or not gated:
        raise InputError(
            "memory can be estimated for dense decoders with gated feed-forward layers only",
            field="model",
            value=text.model_type,
            remedy="run without --estimate, or choose a model of Llama's, Qwen's or Mistral's form",
        )
    heads = text.num_attention_heads
    return DecoderSizes(
        layers=text.num_hidden_layers,
        width=text.hidden_size,
        inner_width=text.intermediate_size,
        heads=heads,
        key_value_heads=getattr(text, "num_key_value_heads", None) or heads,
        head_width=getattr(text, "head_dim", None) or text.hidden_size // heads,
        vocabulary=text.vocab_size,
        tied=config.tie_word_embeddings,
    )


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
