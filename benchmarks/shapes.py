"""Models of published sizes with random weights, so that timings need no download."""

from __future__ import annotations

import importlib
from typing import Any

from relgen.kernels import accelerate

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "small": {
        "vocab_size": 4096,
        "hidden_size": 512,
        "intermediate_size": 1024,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
    },
    "llama2-7b": {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
    },
}


def random_model(
    shape: str,
    *,
    dtype: str,
    quantization: str | None = None,
    attention: str,
    seed: int,
    vocabulary: int | None = None,
) -> Any:
    """Return a Llama in eval mode, on the GPU if there is one.

    Args:
        shape: a key of `SHAPES`.
        dtype: of the weights.
        quantization: `nf4` packs the linear layers, which then compute in bfloat16.
        attention: a registered attention function.
        seed: of the weights.
        vocabulary: in place of the shape's, for the tokens of some tokenizer.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = SHAPES[shape] | ({"vocab_size": vocabulary} if vocabulary else {})
    config = LlamaConfig(**sizes, max_position_embeddings=8192)
    config._attn_implementation = attention
    torch.manual_seed(seed)
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = LlamaForCausalLM(config).eval()
    finally:
        torch.set_default_dtype(torch.float32)
    accelerate(model, for_="reading")
    return in_four_bits(model) if quantization else model


def in_four_bits(model: Any) -> Any:
    """Pack the linear layers of a model with random weights as bitsandbytes' NF4 would on loading.

    Args:
        model: on its device; changed in place. The packed layers compute in bfloat16.
    """
    import torch

    # an extra; it exports nothing by name
    layers: Any = importlib.import_module("bitsandbytes.nn")
    head = model.get_output_embeddings()
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if not isinstance(layer, torch.nn.Linear) or layer is head:
                continue
            packed = layers.Linear4bit(
                layer.in_features,
                layer.out_features,
                bias=False,
                compute_dtype=torch.bfloat16,
                compress_statistics=True,
                quant_type="nf4",
                device="meta",
            )
            packed.support_avx512bf16_for_cpu = False
            weight = layers.Params4bit(
                layer.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True
            )
            packed.weight = weight.to(layer.weight.device)
            setattr(parent, name, packed)
    # what transformers sets on loading, and PEFT asks for
    model.is_loaded_in_4bit = True
    return model
