"""Encodes a sentence with KnowPrompt's prompt, which asks for the relation of its two entities.

    [CLS] the storm caused a flood . [SEP] [sub] storm [sub] [MASK] [obj] flood [obj] [SEP]

Chen et al., *KnowPrompt* (WWW 2022), figure 2. `[sub]` and `[obj]` are virtual type words. The
virtual answer words, `[answer1]` to `[answerR]`, are added to the vocabulary too, but appear in no
input. Segment ids are all 0. The released code puts the prompt first, ends it with a full stop, and
marks the entities in the sentence as well.

The embedding of a virtual word starts as a mean of real words' embeddings (section 4.1): of the
label's words, or of the entity types that relations allow, weighted by these relations' number.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import cast

import regex
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from relgen.classifiers.encoding import Encoding
from relgen.classifiers.portable import PromptLayout
from relgen.common import InputError
from relgen.data import RelationSchema

_SUB, _OBJ = "[sub]", "[obj]"
# the types that the released code starts both type words from
NEUTRAL_TYPES = ("person", "organization", "location", "date", "country")
_DIRECTION = re.compile(r"\((e1,e2|e2,e1)\)$")
_BOUNDARY = regex.compile(r"[^\p{L}\p{M}\p{N}]+|(?<=[a-z])(?=[A-Z])")
_ABBREVIATIONS = {"per": "person", "org": "organization", "na": "no relation"}


class PromptEncoding(Encoding):
    """Encodes samples as a sentence and a prompt (see `PromptLayout`).

    Args:
        tokenizer: a fast tokenizer with a mask token; the virtual words are added to it.
        relations: the number of answer words, R.
        max_length: longest input in tokens. The sentence is cut around both entities; of the prompt
            only mentions are cut, to a quarter of the available length each.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, *, relations: int, max_length: int = 256
    ) -> None:
        if tokenizer.mask_token_id is None:
            raise InputError(
                "this model's tokenizer has no mask token, which the prompt needs",
                field="model",
                value=tokenizer.name_or_path,
                remedy="use a masked language model, such as roberta-large",
            )
        answers = [f"[answer{number}]" for number in range(1, relations + 1)]
        super().__init__(tokenizer, [_SUB, _OBJ, *answers], max_length)
        sub, obj = self.special_ids[_SUB], self.special_ids[_OBJ]
        self.type_ids = {"head": sub, "tail": obj}
        self.answer_ids = [self.special_ids[name] for name in answers]
        # lists, since an empty second string would be ignored
        pair = tokenizer([""], [""])["input_ids"][0]
        between = pair[len(self._start) : len(pair) - len(self._end)]
        mask = int(tokenizer.mask_token_id)
        self.layout = PromptLayout(self._start, between, self._end, self.max_length, sub, obj, mask)

    def _settings(self) -> object:
        return len(self.answer_ids)


def label_words(label: str) -> str:
    """Return the words of a label's name, in lower case.

        >>> label_words("Cause-Effect(e1,e2)"), label_words("Cause-Effect(e2,e1)")
        ("cause effect", "cause effect reversed")

    A mean of words has no order, so the direction becomes a separate word: the two directions of a
    relation start differently.
    """
    direction = _DIRECTION.search(label)
    bare = label[: direction.start()] if direction else label
    words = [word.lower() for word in _BOUNDARY.split(bare) if word]
    if direction and direction[1] == "e2,e1":
        words.append("reversed")
    return " ".join(_ABBREVIATIONS.get(word, word) for word in words) or label


def type_counts(schema: RelationSchema, role: str) -> dict[str, int]:
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
        counts = type_counts(schema, role)
        means = torch.stack([mean(words) for words in counts])  # (N, H)
        weights = means.new_tensor(list(counts.values()))  # (N,)
        weight[row] = weights @ means / weights.sum()
    bias = cast(nn.Linear, model.get_output_embeddings()).bias
    if bias is not None:
        bias[[*encoding.answer_ids, *encoding.type_ids.values()]] = 0.0
