"""Initialise KnowPrompt's virtual words as weighted means of real words' embeddings.

Chen et al., *KnowPrompt* (WWW 2022, arXiv 2104.07650), section 4.1: an answer word starts as the
mean of the words of its label, a type word as the mean of the entity types that relations allow,
weighted by the number of these relations.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from relgen.classifiers.knowprompt_encoding import PromptEncoding
from relgen.data import RelationSchema

Role = Literal["head", "tail"]
# the types that the released code starts both type words from
NEUTRAL_TYPES = ("person", "organization", "location", "date", "country")
_DIRECTION = re.compile(r"\((e1,e2|e2,e1)\)$")
_BOUNDARY = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
_ABBREVIATIONS = {"per": "person", "org": "organization", "na": "no relation"}


def label_words(label: str) -> str:
    """Return the words of a label's name, in lower case.

        >>> label_words("Cause-Effect(e1,e2)"), label_words("Cause-Effect(e2,e1)")
        ("cause effect", "cause effect reversed")

    A mean of words has no order. So the direction becomes a word of its own, and the two directions
    of a relation start apart.
    """
    direction = _DIRECTION.search(label)
    bare = label[: direction.start()] if direction else label
    words = [word.lower() for word in _BOUNDARY.split(bare) if word]
    if direction and direction[1] == "e2,e1":
        words.append("reversed")
    return " ".join(_ABBREVIATIONS.get(word, word) for word in words) or label


def type_counts(schema: RelationSchema, role: Role) -> dict[str, int]:
    """Count the relations that allow each entity type in a role, by the type's words.

    If no relation names a type, each of `NEUTRAL_TYPES` counts once.
    """
    named = [rel.head_types if role == "head" else rel.tail_types for rel in schema]
    counts = Counter(kind for kinds in named for kind in dict.fromkeys(kinds))
    return {
        _BOUNDARY.sub(" ", kind).lower(): count
        for kind, count in (counts or Counter(NEUTRAL_TYPES)).items()
    }


@torch.no_grad()
def add_virtual_words(
    model: PreTrainedModel, encoding: PromptEncoding, schema: RelationSchema
) -> None:
    """Initialise each virtual word's embedding from real words', and its output bias to zero.

    The model's embeddings are enlarged in place.
    """
    tokenizer = encoding.tokenizer
    model.resize_token_embeddings(max(len(tokenizer), model.config.vocab_size), mean_resizing=False)
    weight = cast(nn.Embedding, model.get_input_embeddings()).weight  # (V, H)

    def mean(words: str) -> Tensor:
        return weight[tokenizer(f" {words}", add_special_tokens=False)["input_ids"]].mean(dim=0)

    for row, relation in zip(encoding.answer_ids, schema, strict=True):
        weight[row] = mean(label_words(relation.shown))
    for role, row in encoding.type_ids.items():
        counts = type_counts(schema, cast(Role, role))
        means = torch.stack([mean(words) for words in counts])  # (N, H)
        weights = means.new_tensor(list(counts.values()))  # (N,)
        weight[row] = weights @ means / weights.sum()
    bias = cast(nn.Linear, model.get_output_embeddings()).bias
    if bias is not None:
        bias[[*encoding.answer_ids, *encoding.type_ids.values()]] = 0.0
