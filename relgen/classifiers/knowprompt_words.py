"""What KnowPrompt's virtual words start as: weighted means of real words' embeddings.

Chen et al., *KnowPrompt* (WWW 2022, arXiv 2104.07650), section 4.1: an answer word starts as the
mean of the words of its label, a type word as the mean of the entity types that relations allow,
weighted by how often they do. The functions named `released_…` do what the published code does
(github.com/zjunlp/KnowPrompt: `get_label_word.py`, `lit_models/transformer.py`), and say where
that differs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from relgen.data import RelationSchema

Role = Literal["head", "tail"]
# the types that the released code starts both type words from
NEUTRAL_TYPES = ("person", "organization", "location", "date", "country")
_DIRECTION = re.compile(r"\((e1,e2|e2,e1)\)$")
_BOUNDARY = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
_ABBREVIATIONS = {"per": "person", "org": "organization", "na": "no relation"}


class Part(NamedTuple):
    """Tokens whose mean embedding joins a mixture with a weight."""

    weight: float
    ids: list[int]


def mixture(embeddings: Tensor, parts: Sequence[Part]) -> Tensor:
    """The weighted mean of the parts' mean embeddings.

    Args:
        embeddings: (V, H).
        parts: at least one, none of them empty.

    Returns:
        (H,).
    """
    means = torch.stack([embeddings[part.ids].mean(dim=0) for part in parts])  # (N, H)
    weights = means.new_tensor([part.weight for part in parts])  # (N,)
    return weights @ means / weights.sum()


def label_words(label: str) -> str:
    """The words of a label's name, in lower case.

        >>> label_words("Cause-Effect(e1,e2)"), label_words("Cause-Effect(e2,e1)")
        ("cause effect", "cause effect reversed")

    The mean of words knows no order. So the direction becomes a word of its own: the two
    directions of a relation start apart, and all reversed labels share what tells them apart.
    """
    direction = _DIRECTION.search(label)
    bare = label[: direction.start()] if direction else label
    words = [word.lower() for word in _BOUNDARY.split(bare) if word]
    if direction and direction[1] == "e2,e1":
        words.append("reversed")
    return " ".join(_ABBREVIATIONS.get(word, word) for word in words) or label


def answer_parts(tokenizer: PreTrainedTokenizerBase, schema: RelationSchema) -> list[list[Part]]:
    """For each label the mixture that its answer word starts as: the tokens of `label_words`."""
    return [[Part(1.0, _tokens(tokenizer, f" {label_words(x.shown)}"))] for x in schema]


def released_answer_parts(
    tokenizer: PreTrainedTokenizerBase, schema: RelationSchema
) -> list[list[Part]]:
    """`answer_parts` as the released code has them. Differences:

    - Labels are padded with id 0 to the longest label's number of tokens, and the padding is
      averaged too: the fewer tokens a label has, the more it starts as id 0 (`<s>` in RoBERTa,
      `[PAD]` in BERT).
    - A name ends before its first bracket, so both directions of a relation start alike.
    - `per` and `org` are replaced wherever they stand, inside words too; hyphens stay.
    - There is no space in front of the first word, which a byte-level vocabulary tells apart.
    """
    rows = [_tokens(tokenizer, _released_words(relation.shown)) for relation in schema]
    longest = max(map(len, rows))
    return [[Part(1.0, row + [0] * (longest - len(row)))] for row in rows]


def type_parts(
    tokenizer: PreTrainedTokenizerBase, schema: RelationSchema, role: Role
) -> list[Part]:
    """The mixture that a role's type word starts as.

    Each type weighs as much as there are relations that allow it in this role. Where no relation
    names a type, the parts are `NEUTRAL_TYPES`, all alike.
    """
    named = [rel.head_types if role == "head" else rel.tail_types for rel in schema]
    counts = Counter(kind for kinds in named for kind in dict.fromkeys(kinds))
    return [
        Part(float(count), _tokens(tokenizer, f" {_BOUNDARY.sub(' ', kind).lower()}"))
        for kind, count in (counts or Counter(NEUTRAL_TYPES)).items()
    ]


def released_type_parts(
    tokenizer: PreTrainedTokenizerBase, schema: RelationSchema, role: Role
) -> list[Part]:
    """`type_parts` as the released code has them. Differences:

    - Both roles share one mixture, whatever the schema says.
    - Each of the `NEUTRAL_TYPES` is its first token only, without a space in front.
    """
    return [Part(1.0, _tokens(tokenizer, kind)[:1]) for kind in NEUTRAL_TYPES]


def _released_words(label: str) -> str:
    if label in ("no_relation", "NA"):
        return "no relation"
    words = label.lower().split("(")[0].replace(":", " ").replace("_", " ")
    return words.replace("per", "person").replace("org", "organization")


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
