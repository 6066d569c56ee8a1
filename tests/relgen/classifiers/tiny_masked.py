"""A masked language model of two layers with its tokenizer, built in code."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from relgen.data.schema import Relation, RelationSchema
from tests.relgen.classifiers import tiny_encoder

_PAIRS = {"bert": "[CLS] $A [SEP] $B:1 [SEP]:1", "roberta": "[CLS] $A [SEP] [SEP] $B [SEP]"}
_WORDS = "cause effect reversed none - no relation organization location date country"
WORDS = _WORDS.split()
TYPED = RelationSchema(
    "typed",
    (
        Relation("Cause-Effect(e1,e2)", "x", undirected="Cause-Effect"),
        Relation("Cause-Effect(e2,e1)", "x", undirected="Cause-Effect"),
        Relation("founded_by", "x", ("ORGANIZATION",), ("PERSON",)),
        Relation("born_in", "x", ("PERSON",), ("LOCATION", "COUNTRY")),
        Relation("no_relation", "x"),
    ),
    "no_relation",
)


def tokenizer(family: str = "bert") -> PreTrainedTokenizerFast:
    """The tiny encoder's, with more words and with what stands between two texts."""
    built = tiny_encoder.tokenizer(WORDS)
    built.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair=_PAIRS[family],
        special_tokens=[("[CLS]", built.cls_token_id), ("[SEP]", built.sep_token_id)],
    )
    return built


def save_masked(
    folder: Path, *, family: str = "bert", dropout: float = 0.0, tied: bool = True, spare: int = 0
) -> str:
    """Writes the model and its tokenizer; the folder's name is what `model` arguments take.

    `spare`: rows of the embeddings beyond the tokenizer's words, as many models have them.
    """
    config_class, model_class = {
        "bert": (BertConfig, BertForMaskedLM),
        "roberta": (RobertaConfig, RobertaForMaskedLM),
    }[family]
    words = tokenizer(family)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = config_class(
            vocab_size=len(words) + spare,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=64,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            pad_token_id=0,
            tie_word_embeddings=tied,
        )
        model = model_class(config)
        for parameter in model.parameters():
            # biases and norms too: a test must not pass because they are zero or one
            parameter.data += 0.1 * torch.randn_like(parameter)
        model.save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)
