"""Replaces the layers of a model by faster ones, by the model's use."""

from __future__ import annotations

from typing import Any, Literal

from torch import nn

from relgen.kernels.fused_lora import fuse_lora
from relgen.kernels.fused_mlp import fuse_gated
from relgen.kernels.fused_norm import fuse_norms
from relgen.kernels.last_layer import narrow
from relgen.kernels.onednn_linear import lay_out_weights, use_onednn

Use = Literal["reading", "training", "generation", "classifier"]


def accelerate(model: nn.Module, for_: Use) -> None:
    """Replace layers by faster ones that compute the same; weights and their names stay.

    Args:
        model: changed in place.
        for_: `reading` runs a model forward; `training` tunes a LoRA adapter of a frozen base
            (PEFT's model); `classifier` trains an encoder and reads the states of few tokens
            (`relgen.kernels.read_states`); `generation` decodes, after which the model can neither
            be trained nor saved.
    """
    use_onednn(model)
    if for_ == "training":
        fuse_lora(model)
        fuse_gated(model)
        fuse_norms(model)
    elif for_ == "generation":
        lay_out_weights(model)
    elif for_ == "classifier":
        encoder: Any = getattr(model, "base_model", model)
        narrow(encoder)
