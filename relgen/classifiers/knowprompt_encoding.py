"""Encode a sentence with KnowPrompt's prompt, which asks for the relation of its two entities.

    [CLS] the storm caused a flood . [SEP] [sub] storm [sub] [MASK] [obj] flood [obj] [SEP]

Chen et al., *KnowPrompt* (WWW 2022), figure 2. `[sub]` and `[obj]` are virtual type words. The
virtual answer words, `[answer1]` to `[answerR]`, are added to the vocabulary too, but appear in no
input. Segment ids are all 0. The released code puts the prompt first, ends it with a full stop, and
marks the entities in the sentence as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from relgen.classifiers.encoding import Encoded, Encoding, keep_nearest, split_around
from relgen.common import InputError
from relgen.data import Sample

_SUB, _OBJ = "[sub]", "[obj]"


class PromptEncoding(Encoding):
    """Encodes samples as a sentence and a prompt.

    `positions` are five: the mask's, those of both `[sub]`, those of both `[obj]`. The entities'
    own tokens are between each pair.

    Args:
        tokenizer: a fast tokenizer with a mask token; the virtual words are added to it.
        relations: the number of answer words, R.
        max_length: longest input in tokens. The sentence is cut around both entities; of the prompt
            only mentions are cut, to a quarter of the available length each.

    Raises:
        InputError: the tokenizer has no mask token, or `max_length` leaves no room.
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
        self.type_ids = {"head": self.special_ids[_SUB], "tail": self.special_ids[_OBJ]}
        self.answer_ids = [self.special_ids[name] for name in answers]
        self._mask = int(tokenizer.mask_token_id)
        # as lists: an empty second text on its own counts as none
        pair = tokenizer([""], [""])["input_ids"][0]
        self._between = pair[len(self._start) : len(pair) - len(self._end)]

    def _settings(self) -> object:
        return len(self.answer_ids)

    def _texts(self, sample: Sample) -> list[str]:
        # a space in front: byte-level vocabularies know most words with one only
        return [*split_around(sample), f" {sample.head_text}", f" {sample.tail_text}"]

    def _join(self, sample: Sample, ids: Sequence[list[int]]) -> Encoded:
        *pieces, head, tail = ids
        whole = sum(map(len, ids))
        fixed = len(self._start) + len(self._between) + len(self._end) + 5  # the prompt's own
        room = self.max_length - fixed
        head, tail = head[: room // 4], tail[: room // 4]
        tokens = [token for piece in pieces for token in piece]
        ends = [sum(map(len, pieces[: count + 1])) for count in range(4)]
        spans = [(ends[0], ends[1]), (ends[2], ends[3])]
        kept = keep_nearest(len(tokens), spans, room - len(head) - len(tail))
        sub, obj = self.type_ids["head"], self.type_ids["tail"]
        before = [*self._start, *(tokens[index] for index in kept), *self._between]
        prompt = [sub, *head, sub, self._mask, obj, *tail, obj]
        second_sub = len(before) + 1 + len(head)
        mask = second_sub + 1
        return Encoded(
            [*before, *prompt, *self._end],
            [mask, len(before), second_sub, mask + 1, mask + 2 + len(tail)],
            len(kept) + len(head) + len(tail) < whole,
        )
