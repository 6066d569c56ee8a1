"""KnowPrompt's input: the sentence, then a prompt that asks for the relation of its two entities.

    [CLS] the storm caused a flood . [SEP] [sub] storm [sub] [MASK] [obj] flood [obj] [SEP]

Chen et al., *KnowPrompt* (WWW 2022), figure 2. `[sub]` and `[obj]` are virtual type words. The
virtual answer words, `[answer1]` to `[answerR]`, join the vocabulary too, and stand in no input.
Leaves out: segment ids, which are 0 throughout; and what the released code does differently in
both modes, where the prompt comes first and ends in a full stop, and the sentence holds entity
markers as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase

from relgen.classifiers.base import Encoded, Encoding
from relgen.classifiers.encoding import (
    MINIMUM_LENGTH,
    keep_nearest,
    special_ends,
    split_around,
)
from relgen.common import InputError, text_hash
from relgen.data import Sample

# part of the cache key of tokenised tables: raise it when ids or positions change
ENCODING_VERSION = 1
TYPE_WORDS = ("[sub]", "[obj]")


class PromptEncoding(Encoding):
    """Encodes samples as a sentence and a prompt.

    `positions` are five: the mask's, those of both `[sub]`, those of both `[obj]`. The entities'
    own tokens stand between each two.

    Args:
        tokenizer: a fast tokenizer with a mask token; the virtual words are added to it.
        relations: the number of answer words, R.
        max_length: longest input in tokens. The prompt is never cut, but for a mention that would
            take more than a quarter of the room; the sentence is, around both entities.

    Raises:
        InputError: the tokenizer has no mask token, or `max_length` leaves no room.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, *, relations: int, max_length: int = 256
    ) -> None:
        if max_length < MINIMUM_LENGTH:
            raise InputError(
                f"must be at least {MINIMUM_LENGTH}: the prompt and both entities have to fit",
                field="max_length",
                value=max_length,
            )
        if tokenizer.mask_token_id is None:
            raise InputError(
                "this model's tokenizer has no mask token, and the prompt needs one",
                field="model",
                value=tokenizer.name_or_path,
                remedy="use a masked language model, such as roberta-large",
            )
        self.tokenizer = tokenizer
        self.max_length = max_length
        names = [*TYPE_WORDS, *(f"[answer{number}]" for number in range(1, relations + 1))]
        tokenizer.add_tokens(
            [AddedToken(name, special=True, normalized=False) for name in names],
            special_tokens=True,
        )
        ids = cast(list[int], tokenizer.convert_tokens_to_ids(names))
        self.type_ids = dict(zip(("head", "tail"), ids, strict=False))
        self.answer_ids = ids[len(TYPE_WORDS) :]
        self._mask = int(tokenizer.mask_token_id)
        self._start, self._end = special_ends(tokenizer)
        # as lists: an empty second text on its own counts as none
        pair = tokenizer([""], [""])["input_ids"][0]
        self._between = pair[len(self._start) : len(pair) - len(self._end)]
        self.pad_id = int(tokenizer.pad_token_id or 0)

    @property
    def key(self) -> str:
        """Over the tokenizer's content and the settings; 16 hex digits."""
        content = self.tokenizer.backend_tokenizer.to_str()
        settings = ("knowprompt", ENCODING_VERSION, self.max_length, content)
        return text_hash(repr(settings))[:16]

    def encode(self, samples: Sequence[Sample]) -> list[Encoded]:
        """Encodes samples, in order."""
        if not samples:
            return []
        texts = []
        for sample in samples:
            # a space in front: byte-level vocabularies know most words with one only
            texts += [*split_around(sample), f" {sample.head_text}", f" {sample.tail_text}"]
        # special tokens that stand in the text are text
        ids = self.tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return [self._join(ids[row : row + 7]) for row in range(0, len(ids), 7)]

    def decode(self, input_ids: Sequence[int]) -> str:
        """Token ids as text, virtual words included, padding left out."""
        kept = [token for token in input_ids if token != self.pad_id]
        return str(self.tokenizer.decode(kept))

    def save(self, folder: Path) -> None:
        """Writes the tokenizer with its virtual words."""
        self.tokenizer.save_pretrained(str(folder))

    def _join(self, ids: Sequence[list[int]]) -> Encoded:
        *pieces, head, tail = ids
        fixed = [*self._start, *self._between, *self._end, self._mask, *2 * TYPE_WORDS]
        room = self.max_length - len(fixed)
        head, tail = head[: room // 4], tail[: room // 4]
        kept = _cut(pieces, room - len(head) - len(tail))
        sub, obj = self.type_ids["head"], self.type_ids["tail"]
        before = [*self._start, *kept, *self._between]
        prompt = [sub, *head, sub, self._mask, obj, *tail, obj]
        second_sub = len(before) + 1 + len(head)
        mask = second_sub + 1
        positions = [mask, len(before), second_sub, mask + 1, mask + 2 + len(tail)]
        whole = sum(map(len, pieces)) + len(ids[5]) + len(ids[6])
        return Encoded(
            [*before, *prompt, *self._end],
            positions,
            len(kept) + len(head) + len(tail) < whole,
        )


def _cut(pieces: Sequence[list[int]], budget: int) -> list[int]:
    """A sentence of five pieces (before, entity, between, entity, after), cut around its entities.

    See `keep_nearest`.
    """
    ends = [sum(map(len, pieces[: count + 1])) for count in range(5)]
    tokens = [token for piece in pieces for token in piece]
    spans = [(ends[0], ends[1]), (ends[2], ends[3])]
    return [tokens[index] for index in keep_nearest(len(tokens), spans, budget)]
