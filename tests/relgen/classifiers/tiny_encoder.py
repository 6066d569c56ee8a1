"""A BERT of two layers with a vocabulary of words, built in code, and sentences to learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from relgen.data.samples import Entity, Sample
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
_TEMPLATES = {
    "cause": ["the {h} caused the {t} .", "the {t} , brought in of {h} ."],
    "part": ["the {h} is part of the {t} .", "the {t} has a {h} ."],
    "none": ["the {h} is near the {t} .", "a {t} and a {h} ."],
}
_NOUNS = ["storm", "flood", "wheel", "car", "house", "roof", "rain", "mud", "wall", "crane", "arm"]


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


def save_encoder(
    folder: Path, *, dropout: float = 0.0, family: str = "bert", extra: Sequence[str] = ()
) -> str:
    """Writes the model and its tokenizer; the folder's name is what `model` arguments take."""
    config_class, model_class = {
        "bert": (BertConfig, BertModel),
        "roberta": (RobertaConfig, RobertaModel),
    }[family]
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = config_class(
            vocab_size=len(SPECIAL) + len(WORDS) + len(extra),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=64,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            pad_token_id=0,
        )
        model_class(config).save_pretrained(folder)
    tokenizer(extra).save_pretrained(folder)
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


def sample(name: str, template: str, relation: str, head: str, tail: str) -> Sample:
    """Fills `{h}` and `{t}` in, and finds their offsets."""
    spans, text = {}, ""
    for piece in template.replace("{", "\n{").replace("}", "}\n").split("\n"):
        word = {"{h}": head, "{t}": tail}.get(piece, piece)
        if word != piece:
            spans[piece] = Entity(len(text), len(text) + len(word))
        text += word
    return Sample(name, text, spans["{h}"], spans["{t}"], relation)
