"""The grammar of tagged text: what a draft may look like, in the forms that engines read.

Each tag once, in either order; entities short, neither empty nor edged with white space; one line;
bounded length. In AAO, up to N such lines. Leaves out what only a finished text shows: that is
`acceptance`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import regex

from relgen.data import escape

# no complement with bounded repeats of words ("not </head>"): that overflows llguidance's lexer
FREE_TEXT = r"[^<>\p{Cc}]"
# Ordinary words: a full stop only between digits, no quotation mark before a tag. A small model
# that may not end its sentence before both entities stand would otherwise go on behind one of them.
LAST_WORD = (
    r"[\"“‘(]?([\p{L}\p{N}$€£]|[0-9][.,:][0-9])([\p{L}\p{N}'’%&\/-]|[0-9][.,:][0-9]){0,22}[\"”)]?"
)
WORD = rf"({LAST_WORD}[,;:]?|[–-])"
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

    def matches(self, line: str) -> bool:
        """Whether one line of an answer is what the grammar gives."""
        return _pattern(replace(self, lines=1)).fullmatch(line) is not None

    def pattern(self) -> str:
        """One line of an answer, as an expression of the `regex` package."""
        first, middle, last = self._sentence() if self.one_sentence else self._free()
        head, tail = (
            f"<{role}{_type_pattern(types)}>({self._entity()})</{role}>"
            for role, types in (("head", self.head_types), ("tail", self.tail_types))
        )
        return f"({first})({head}({middle}){tail}|{tail}({middle}){head})({last})"

    def _entity(self) -> str:
        if self.one_sentence:
            rest = f"{{0,{min(self.max_entity_chars, 25) - 1}}}"
            word = f"({_ENTITY_WORD_FIRST}{_ENTITY_WORD_REST}{rest}|{_ABBREVIATION})"
            return f"({word} ){{0,{self.max_entity_words - 1}}}{word}"
        inner = max(self.max_entity_chars - 2, 0)
        return rf"[\p{{L}}\p{{N}}]|{_ENTITY_FIRST}{FREE_TEXT}{{0,{inner}}}{_ENTITY_LAST}"

    def _free(self) -> tuple[str, str, str]:
        size = self.max_context_chars
        first = rf"([^<>\s\p{{Cc}}]{FREE_TEXT}{{0,{size - 1}}})?"
        return first, f"{FREE_TEXT}{{1,{size}}}", f"{FREE_TEXT}{{0,{size}}}"

    def _sentence(self) -> tuple[str, str, str]:
        # bounded in words: a bound in characters would cut a word and put a tag there
        words = f"{{0,{self.max_context_words}}}"
        first = rf"({WORD} ){words}"
        middle = rf"{_SUFFIX}( |-|( {WORD}){{1,{self.max_context_words}}} )"
        before_last = f"{{0,{self.max_context_words - 1}}}"
        last = rf"({_POSSESSIVE}|{_SUFFIX}( {WORD}){before_last} {LAST_WORD})[.!?]"
        return first, middle, last


def _types(types: tuple[str, ...]) -> str:
    if not types:
        return '">"'
    quoted = (escape(kind).replace("\\", "\\\\").replace('"', '\\"') for kind in types)
    return '":" ( {} ) ">"'.format(" | ".join(f'"{kind}"' for kind in quoted))


def _type_pattern(types: tuple[str, ...]) -> str:
    return f":({'|'.join(regex.escape(escape(kind)) for kind in types)})" if types else ""


@lru_cache(maxsize=256)
def _pattern(spec: GrammarSpec) -> regex.Pattern[str]:
    return regex.compile(spec.pattern())
