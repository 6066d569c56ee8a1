"""BERTs and RoBERTas of two layers with a vocabulary of words, and sentences to learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaModel,
)

from relgen.data.samples import Entity, Sample, write_samples
from relgen.data.schema import Relation, RelationSchema

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_WORDS = (
    "the a of in near and . , [ ] / crane arm head tail end storm flood cut power wheel car house "
    "roof rain mud brought caused is part has wall ann acme founded bern person place left right "
    "one two three four five six seven eight"
)
WORDS = _WORDS.split()
SCHEMA = RelationSchema(
    "tiny",
    (
        Relation("cause", "The head brings about the tail."),
        Relation("part", "The head is a part of the tail."),
        Relation("none", "Neither of these."),
    ),
    "none",
)
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
_TEMPLATES = {
    "cause": ["the {h} caused the {t} .", "the {t} , brought in of {h} ."],
    "part": ["the {h} is part of the {t} .", "the {t} has a {h} ."],
    "none": ["the {h} is near the {t} .", "a {t} and a {h} ."],
}
_NOUNS = ["storm", "flood", "wheel", "car", "house", "roof", "rain", "mud", "wall", "crane", "arm"]
_PAIRS = {"bert": "[CLS] $A [SEP] $B:1 [SEP]:1", "roberta": "[CLS] $A [SEP] [SEP] $B [SEP]"}
_LABEL_WORDS = "cause effect reversed none - no relation organization location date country"
LABEL_WORDS = _LABEL_WORDS.split()


def tokenizer(extra: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Words in lower case, `extra` ones included; `[CLS] … [SEP]` around a text."""
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS, *extra])}
    words = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def pair_tokenizer(family: str = "bert") -> PreTrainedTokenizerFast:
    """Return the tokenizer with more words, and with what stands between two texts."""
    built = tokenizer(LABEL_WORDS)
    built.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair=_PAIRS[family],
        special_tokens=[("[CLS]", built.cls_token_id), ("[SEP]", built.sep_token_id)],
    )
    return built


def save_encoder(
    folder: Path, *, dropout: float = 0.0, family: str = "bert", extra: Sequence[str] = ()
) -> str:
    """Write an encoder and its tokenizer; the folder's name is what `model` arguments take."""
    classes = {"bert": (BertConfig, BertModel), "roberta": (RobertaConfig, RobertaModel)}
    words = tokenizer(extra)
    return _save(
        folder,
        classes[family],
        words,
        vocab_size=len(words),
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )


def save_masked(
    folder: Path, *, family: str = "bert", dropout: float = 0.0, tied: bool = True, spare: int = 0
) -> str:
    """Write a masked language model and its tokenizer; return the folder's name.

    `spare`: rows of the embeddings beyond the tokenizer's words, as many models have them.
    """
    classes = {
        "bert": (BertConfig, BertForMaskedLM),
        "roberta": (RobertaConfig, RobertaForMaskedLM),
    }
    words = pair_tokenizer(family)
    return _save(
        folder,
        classes[family],
        words,
        masked=True,
        vocab_size=len(words) + spare,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        tie_word_embeddings=tied,
    )


def _save(
    folder: Path,
    classes: tuple[type, type],
    words: PreTrainedTokenizerFast,
    masked: bool = False,
    **changes: Any,
) -> str:
    """Write a random model of two layers and its tokenizer; return the folder's name."""
    config_class, model_class = classes
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"intermediate_size": 64, "max_position_embeddings": 64, "pad_token_id": 0}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = model_class(config_class(**sizes, **changes))
        for parameter in model.parameters() if masked else ():
            # biases and norms too: a test must not pass because they are zero or one
            parameter.data += 0.1 * torch.randn_like(parameter)
        model.save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


def samples(count: int, *, source: str = "human", skip: int = 0) -> list[Sample]:
    """Different sentences of all three relations in turn, from the `skip`-th on."""
    made = []
    for number in range(skip, skip + count):
        relation = SCHEMA.labels[number % 3]
        turn = number // 3
        head = _NOUNS[turn % len(_NOUNS)]
        tail = _NOUNS[(turn + 1 + turn // len(_NOUNS)) % len(_NOUNS)]
        made.append(
            sample(f"{source}-{number}", _TEMPLATES[relation][turn % 2], relation, head, tail)
        )
    return made


def save_files(folder: Path, *, human: int, generated: int, test: int) -> Path:
    """Write a schema and samples files of these sizes, without a sentence in two of them."""
    SCHEMA.save(folder / "schema.yaml")
    write_samples(folder / "human.jsonl", samples(human))
    more = samples(generated, source="generated", skip=human)
    write_samples(folder / "generated.jsonl", more)
    write_samples(folder / "test.jsonl", samples(test, source="test", skip=human + generated))
    return folder


def sample(name: str, template: str, relation: str, head: str, tail: str) -> Sample:
    """Fills `{h}` and `{t}` in, and finds their offsets."""
    spans, text = {}, ""
    for piece in template.replace("{", "\n{").replace("}", "}\n").split("\n"):
        word = {"{h}": head, "{t}": tail}.get(piece, piece)
        if word != piece:
            spans[piece] = Entity(len(text), len(text) + len(word))
        text += word
    return Sample(name, text, spans["{h}"], spans["{t}"], relation)
