"""The grammar of tagged text, and its enforcement while decoding (llguidance).

Each tag once, in either order; entities short, neither empty nor edged with white space; one line;
bounded length; then the stop token. In AAO, up to N such lines. Where the grammar forces a text
(inside a tag), llguidance allows only the tokens that the tokeniser itself would give.

Leaves out what only a finished text shows: that is `acceptance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import llguidance.hf
import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor

from relgen.errors import InputError
from relgen.markup import escape

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

# no complement with bounded repeats of words ("not </head>"): that overflows llguidance's lexer
_FREE = r"[^<>\p{Cc}]"
# Ordinary words: a full stop only between digits, no quotation mark before a tag. A small model
# that may not end its sentence before both entities stand would otherwise go on behind one of them.
_LAST_WORD = (
    r"[\"“‘(]?([\p{L}\p{N}$€£]|[0-9][.,:][0-9])([\p{L}\p{N}'’%&\/-]|[0-9][.,:][0-9]){0,22}[\"”)]?"
)
_WORD = rf"({_LAST_WORD}[,;:]?|[–-])"
_POSSESSIVE = r"('s|’s)?"
_SUFFIX = rf"{_POSSESSIVE}[,;:]?"
_ENTITY_WORD_FIRST = r"([\p{L}\p{N}$€£#@&]|[0-9][.,:][0-9])"
_ENTITY_WORD_REST = r"([\p{L}\p{N}'’&%+\/-]|[0-9][.,:][0-9])"
_ABBREVIATION = r"(\p{L}{1,3}\.){1,4}"
_ENTITY_FIRST = r"[\p{L}\p{N}$€£#@]"
_ENTITY_LAST = r"[\p{L}\p{N}.!?)%'\"”’+]"


@dataclass(frozen=True, slots=True)
class GrammarSpec:
    """What a draft may look like.

    Args:
        lines: samples in one answer, at most.
        max_entity_chars: of an entity; of each of its words, where `one_sentence` is on.
        max_entity_words: of an entity, where it is on: a bound in characters would cut a word.
        max_context_chars: of each of the stretches before, between and after the entities.
        max_context_words: the same bound in words, where `one_sentence` is on.
        one_sentence: ordinary words with single spaces between, and a full stop, question or
            exclamation mark at the end. A small model then ends where the sentence does. Off, any
            text goes: several sentences, and scripts without spaces.
        head_types: written into the head's tag; empty leaves the tag bare.
        tail_types: likewise.
    """

    lines: int = 1
    max_entity_chars: int = 60
    max_entity_words: int = 6
    max_context_chars: int = 160
    max_context_words: int = 20
    one_sentence: bool = False
    head_types: tuple[str, ...] = ()
    tail_types: tuple[str, ...] = ()

    def lark(self) -> str:
        """The grammar in llguidance's dialect of Lark."""
        more = f' ("\\n" line){{0,{self.lines - 1}}}' if self.lines > 1 else ""
        first, middle, last = self._sentence() if self.one_sentence else self._free()
        return "\n".join(
            [
                f"start: line{more}",
                "line: FIRST ( head MIDDLE tail | tail MIDDLE head ) LAST",
                f'head: "<head" {_types(self.head_types)} ENTITY "</head>"',
                f'tail: "<tail" {_types(self.tail_types)} ENTITY "</tail>"',
                f"FIRST: /{first}/",
                f"MIDDLE: /{middle}/",
                f"LAST: /{last}/",
                f"ENTITY: /{self._entity()}/",
            ]
        )

    def _entity(self) -> str:
        if self.one_sentence:
            rest = f"{{0,{min(self.max_entity_chars, 25) - 1}}}"
            word = f"({_ENTITY_WORD_FIRST}{_ENTITY_WORD_REST}{rest}|{_ABBREVIATION})"
            return f"({word} ){{0,{self.max_entity_words - 1}}}{word}"
        inner = max(self.max_entity_chars - 2, 0)
        return rf"[\p{{L}}\p{{N}}]|{_ENTITY_FIRST}{_FREE}{{0,{inner}}}{_ENTITY_LAST}"

    def _free(self) -> tuple[str, str, str]:
        size = self.max_context_chars
        first = rf"([^<>\s\p{{Cc}}]{_FREE}{{0,{size - 1}}})?"
        return first, f"{_FREE}{{1,{size}}}", f"{_FREE}{{0,{size}}}"

    def _sentence(self) -> tuple[str, str, str]:
        # bounded in words: a bound in characters would cut a word and put a tag there
        words = f"{{0,{self.max_context_words}}}"
        first = rf"({_WORD} ){words}"
        middle = rf"{_SUFFIX}( |-|( {_WORD}){{1,{self.max_context_words}}} )"
        before_last = f"{{0,{self.max_context_words - 1}}}"
        last = rf"({_POSSESSIVE}|{_SUFFIX}( {_WORD}){before_last} {_LAST_WORD})[.!?]"
        return first, middle, last


def _types(types: tuple[str, ...]) -> str:
    if not types:
        return '">"'
    quoted = (escape(kind).replace("\\", "\\\\").replace('"', '\\"') for kind in types)
    return '":" ( {} ) ">"'.format(" | ".join(f'"{kind}"' for kind in quoted))


class GrammarCompiler:
    """Compiles grammars for one tokeniser, each once.

    Args:
        tokenizer: a fast tokeniser.
        vocabulary: the width of the model's logits; it can exceed the tokeniser's.
        stop_ids: the tokens that end a draft, allowed wherever the grammar is satisfied.

    Raises:
        InputError: llguidance cannot convert the tokeniser.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, vocabulary: int, stop_ids: Sequence[int]
    ) -> None:
        try:
            self._tokenizer: LLTokenizer = llguidance.hf.from_tokenizer(
                cast("PreTrainedTokenizerFast", tokenizer),
                n_vocab=max(vocabulary, len(tokenizer)),
                eos_token=list(stop_ids),
                # text without brackets is most of a draft: its mask is then looked up, not computed
                slices=[rf"{_FREE}{{1,30}}"],
            )
        except Exception as error:  # the Rust side raises several kinds
            raise InputError(
                f"this model's tokeniser cannot be used with a grammar: {error}",
                field="grammar",
                remedy="set grammar: false (--no-grammar), or use a model with a fast tokeniser",
            ) from error
        self._vocabulary = vocabulary
        self._compile = lru_cache(maxsize=256)(self._compiled)

    def start(self, spec: GrammarSpec) -> DraftGrammar:
        """A fresh state, at the beginning of a draft."""
        return DraftGrammar(self._compile(spec).deep_copy(), self._vocabulary)

    def _compiled(self, spec: GrammarSpec) -> LLMatcher:
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(spec.lark()))
        if matcher.is_error():
            raise InputError(
                f"the grammar does not compile: {matcher.get_error().splitlines()[0]}",
                field="grammar",
                remedy="set grammar: false, or smaller max_context_chars and max_entity_chars",
            )
        return matcher


class DraftGrammar:
    """Where one draft stands in its grammar."""

    def __init__(self, matcher: LLMatcher, vocabulary: int) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary

    def allowed(self) -> np.ndarray | None:
        """(V,) bool: the tokens that may come next; None when none may, or on an inner error."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        mask = np.unpackbits(bits, bitorder="little")[: self._vocabulary].astype(bool)
        # llguidance's errors are soft: it goes on, with a mask that means nothing
        if self._matcher.is_error() or not mask.any():
            return None
        return mask

    def advance(self, token: int) -> bool:
        """Consumes a token; False when the grammar does not allow it or has failed."""
        return bool(self._matcher.consume_token(token)) and not self._matcher.is_error()


def stack_allowed(masks: Sequence[np.ndarray | None], device: torch.device) -> Tensor:
    """(B, V) bool of the rows' masks. A row without one has failed, and may take anything."""
    width = next(len(mask) for mask in masks if mask is not None)
    rows = [np.ones(width, dtype=bool) if mask is None else mask for mask in masks]
    return torch.from_numpy(np.stack(rows)).to(device)
