"""A tiny Llama and a byte-level tokeniser, built in code, and samples to show it."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from relgen.data.samples import Entity, Sample
from relgen.data.schema import RelationSchema, parse_schema

CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
TEXTS = (
    "<head>drought</head> left the farmers without a <tail>harvest</tail> this year.",
    "The <head>rain</head> brought a <tail>flood</tail> to the town.",
    "You write training samples for relation extraction: one sentence, a head and a tail entity.",
)


def tiny_tokenizer(chat: bool = True) -> PreTrainedTokenizerFast:
    """A byte-level BPE of about 400 tokens; `<|end|>` ends a turn."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|start|>", "<|end|>", "<|eos|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXTS, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|eos|>",
        additional_special_tokens=["<|start|>", "<|end|>"],
    )
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def tiny_model(
    vocabulary: int, dtype: torch.dtype = torch.float64, seed: int = 0
) -> LlamaForCausalLM:
    """Two layers, grouped key/value heads, random weights with logits that differ clearly."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
    )
    return LlamaForCausalLM(config).to(dtype).eval()


def save_tiny(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """A folder that `load_language_model` and `load_tokenizer` read."""
    tokenizer = tiny_tokenizer()
    tiny_model(len(tokenizer), dtype, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sample(
    tagged_head: str,
    middle: str,
    tagged_tail: str,
    *,
    before: str = "The ",
    after: str = ".",
    relation: str = "causes",
    name: str = "s",
    types: tuple[str | None, str | None] = (None, None),
) -> Sample:
    """A sample with the head first."""
    text = f"{before}{tagged_head}{middle}{tagged_tail}{after}"
    head = len(before)
    tail = head + len(tagged_head) + len(middle)
    return Sample(
        name,
        text,
        Entity(head, head + len(tagged_head), types[0]),
        Entity(tail, tail + len(tagged_tail), types[1]),
        relation,
    )


def schema() -> RelationSchema:
    """Two relations, of which one restricts its types."""
    return parse_schema(
        {
            "name": "tiny",
            "negative": None,
            "relations": {
                "causes": {"explanation": "The head brings about the tail."},
                "made_of": {
                    "explanation": "The head consists of the tail.",
                    "head_types": ["OBJECT"],
                    "tail_types": ["MATERIAL", "OBJECT"],
                },
            },
        }
    )


def train() -> list[Sample]:
    """Two labelled samples a relation."""
    return [
        sample("drought", " left the farmers without a ", "harvest", name="c1"),
        sample("storm", " on Monday brought about a long ", "power cut", name="c2"),
        sample("table", " was cut from a single piece of ", "oak", relation="made_of", name="m1"),
        sample("old bell", " had been cast in ", "bronze", relation="made_of", name="m2"),
    ]
