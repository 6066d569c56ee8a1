"""Random language models of two layers and their tokenizers, built in code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    CONFIG_MAPPING,
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from relgen.prompting.prompts import PLAIN, PromptWriter
from tests.tiny.samples import SCHEMA, chain

VOCABULARY = 600
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 1,
}
CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
TEXTS = (
    "<head>drought</head> left the farmers without a <tail>harvest</tail> this year.",
    "The <head>rain</head> brought a <tail>flood</tail> to the town.",
    "You write training samples for relation extraction: one sentence, a head and a tail entity.",
)


WINDOW = 5
FAMILIES = {
    "qwen3": {"head_dim": 8},
    "mistral": {"sliding_window": WINDOW},
    "phi3": {"sliding_window": WINDOW},
    "olmo3": {"sliding_window": WINDOW},
    "gemma2": {"sliding_window": WINDOW, "head_dim": 8, "attn_logit_softcapping": 2.0},
    "gemma3_text": {"sliding_window": WINDOW, "head_dim": 8, "sliding_window_pattern": 2},
}
WINDOWED = tuple(name for name, changes in FAMILIES.items() if "sliding_window" in changes)
"""Families with a window that is shorter than any prompt."""


def _config(family: str, **changes: object) -> PretrainedConfig:
    return CONFIG_MAPPING[family](**{**SIZES, **FAMILIES.get(family, {}), **changes})


def language_model(
    family: str = "llama", *, attention: str = "sdpa", dtype: torch.dtype = torch.float32
) -> PreTrainedModel:
    """A random model of two layers with grouped keys and values, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_config(
            _config(family), attn_implementation=attention, dtype=dtype
        )
        for parameter in model.parameters():
            # biases and norms too: a test must not pass because they are zero or one
            parameter.data += 0.1 * torch.randn_like(parameter)
    return (in_double(model) if dtype == torch.float64 else model).eval()


def writing_model(
    vocabulary: int, dtype: torch.dtype = torch.float64, seed: int = 0, family: str = "llama"
) -> PreTrainedModel:
    """Return a model whose logits differ clearly, so that greedy decoding has no ties."""
    torch.manual_seed(seed)
    changes = {"vocab_size": vocabulary, "max_position_embeddings": 2048, "eos_token_id": None}
    changes |= {"pad_token_id": None, "tie_word_embeddings": False, "initializer_range": 0.3}
    config = _config(family, **changes)
    attention = "eager" if family in WINDOWED else "sdpa"
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention).to(dtype).eval()


def tune(policy: nn.Module) -> None:
    """Gives an adapter weights with which it changes something."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.data = 0.1 * torch.randn_like(parameter)


def in_double(model: nn.Module) -> nn.Module:
    """Replace norms by ones that stay in float64: those of transformers round through float32."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            kind = type(child).__name__
            if kind.endswith("RMSNorm"):
                epsilon = child.eps if kind.startswith("Gemma") else child.variance_epsilon
                norm = nn.RMSNorm(child.weight.shape, epsilon, dtype=torch.float64)
                norm.weight = child.weight
                if kind.startswith("Gemma"):  # which scales by one more than its weight
                    norm.weight.data += 1
                setattr(parent, name, norm)
    return model


def tokenizer(vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE, trained on a prompt and a few sentences, with a chat template.

    A vocabulary of 258 has no merges: single bytes and the two special tokens.
    """
    prompt = PromptWriter(PLAIN).prompt(SCHEMA["cause"], [p.chosen for p in chain(8).pairs])
    texts = [prompt.text, "[system] \n[user] \n[assistant] "]
    core = _byte_level(texts, vocabulary, ["<|end|>", "<|pad|>"])
    tokens = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|end|>", pad_token="<|pad|>"
    )
    tokens.chat_template = (
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% if m.role == 'assistant' %}<|end|>"
        "{% endif %}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
    )
    return tokens


def chat_tokenizer(chat: bool = True) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE of about 400 tokens; `<|end|>` ends a turn."""
    tokens = PreTrainedTokenizerFast(
        tokenizer_object=_byte_level(TEXTS, 400, ["<|start|>", "<|end|>", "<|eos|>"]),
        eos_token="<|eos|>",
        additional_special_tokens=["<|start|>", "<|end|>"],
    )
    if chat:
        tokens.chat_template = CHAT_TEMPLATE
    return tokens


def _byte_level(texts: Iterable[str], vocabulary: int, special: Sequence[str]) -> Tokenizer:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return core


def save_model(folder: Path, family: str = "llama") -> str:
    """A folder that `from_pretrained` takes; the model's name in tests."""
    language_model(family).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


def save_writing_model(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Write a `writing_model` with the chat tokenizer into a folder."""
    tokens = chat_tokenizer()
    writing_model(len(tokens), dtype, seed).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder
