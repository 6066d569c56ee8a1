"""Tiny models, a tokenizer and chains built in code, for tests that must not depend on weights."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation, RelationSchema
from relgen.dpo.preference_pairs import Chain, PreferencePair
from relgen.dpo.tokenize import ChainTokens
from relgen.prompting.prompts import PLAIN, PromptWriter

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
SCHEMA = RelationSchema(
    "tiny",
    (
        Relation("cause", "The head brings about the tail."),
        Relation("part", "The head is a part of the tail."),
    ),
)


def language_model(
    family: str = "llama", *, attention: str = "sdpa", dtype: torch.dtype = torch.float32
) -> PreTrainedModel:
    """A random model of two layers with grouped keys and values, in eval mode."""
    classes = {
        "llama": (LlamaConfig, LlamaForCausalLM),
        "qwen2": (Qwen2Config, Qwen2ForCausalLM),
        "qwen3": (Qwen3Config, Qwen3ForCausalLM),
    }
    config_class, model_class = classes[family]
    extra = {"head_dim": 8} if family == "qwen3" else {}
    config = config_class(**SIZES, **extra)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = model_class._from_config(config, attn_implementation=attention, dtype=dtype)
        for parameter in model.parameters():
            # biases and norms too: a test must not pass because they are zero or one
            parameter.data += 0.1 * torch.randn_like(parameter)
    return (_in_double(model) if dtype == torch.float64 else model).eval()


def tune(policy: nn.Module) -> None:
    """Gives an adapter weights with which it changes something."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.data = 0.1 * torch.randn_like(parameter)


def _in_double(model: PreTrainedModel) -> PreTrainedModel:
    """Norms that stay in float64: those of transformers round through float32 on the way."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__.endswith("RMSNorm"):
                norm = nn.RMSNorm(child.weight.shape, child.variance_epsilon, dtype=torch.float64)
                norm.weight = child.weight
                setattr(parent, name, norm)
    return model


def tokenizer(vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Byte-level BPE, trained on a prompt and a few sentences, with a chat template.

    A vocabulary of 258 has no merges: single bytes and the two special tokens.
    """
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    prompt = PromptWriter(PLAIN).one_by_one(SCHEMA["cause"], [p.chosen for p in chain(8).pairs])
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([prompt.text, "[system] \n[user] \n[assistant] "], trainer)
    tokens = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|end|>", pad_token="<|pad|>"
    )
    tokens.chat_template = (
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% if m.role == 'assistant' %}<|end|>"
        "{% endif %}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
    )
    return tokens


def save_model(folder: Path, family: str = "llama") -> str:
    """A folder that `from_pretrained` takes; the model's name in tests."""
    language_model(family).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


def sample(name: str, head: str, middle: str, tail: str, relation: str = "cause") -> Sample:
    """`The {head} {middle} {tail}.`"""
    start = 4 + len(head) + 1 + len(middle) + 1
    text = f"The {head} {middle} {tail}."
    entities = Entity(4, 4 + len(head)), Entity(start, start + len(tail))
    return Sample(name, text, *entities, relation)


def chain(pairs: int, *, name: str = "cause#0", relation: str = "cause") -> Chain:
    """A chain whose rejected samples take turns through the three kinds."""
    heads = ["rain", "virus", "spark", "error", "storm", "drug", "noise", "frost"]
    tails = ["flood", "fever", "fire", "crash", "delay", "sleep", "worry", "loss"]
    shown = [
        sample(f"{name}-{i}", heads[i % 8], f"led {i} times to", tails[(i * 3) % 8], relation)
        for i in range(pairs + 1)
    ]
    wrong = sample(f"{name}-w", "wheel", "belongs to the", "cart", relation)
    made = []
    for step in range(pairs):
        near = sample(f"{name}-n{step}", "ice", f"led {step} times to", "fog", relation)
        kinds = [("wrong_label", wrong), ("near_copy", near), ("exact_copy", shown[step])]
        kind, rejected = kinds[step % 3]
        made.append(PreferencePair(shown[step + 1], rejected, kind))
    return Chain(name, relation, shown[0], tuple(made))


def chain_tokens(pairs: int, *, seed: int = 0) -> ChainTokens:
    """Random ids with segments of uneven length."""
    rng = random.Random(seed)

    def ids(low: int, high: int) -> list[int]:
        return [rng.randrange(2, 500) for _ in range(rng.randint(low, high))]

    return ChainTokens(
        id=f"chain-{seed}",
        prefix=ids(5, 12),
        demonstrations=[ids(2, 7) for _ in range(pairs)],
        cue=ids(1, 4),
        chosen=[[*ids(1, 8), 0] for _ in range(pairs)],
        rejected=[[*ids(1, 8), 0] for _ in range(pairs)],
        kinds=[rng.randrange(3) for _ in range(pairs)],
    )
