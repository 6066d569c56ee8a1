"""Joins tokens by single spaces where the script has them; converts token spans to offsets.

The original spacing is unknown and is not guessed: `do n't` stays `do n't`. The Penn Treebank's
codes are replaced by the characters that they stand for:

    -LRB- -RRB- -LSB- -RSB- -LCB- -RCB-     ( ) [ ] { }, also inside a token: -LRB-030-RRB-
    `` and '', `                            " and '
    \\/ and \\*                               / and *
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

from relgen.common import InputError
from relgen.data.corpora.units import NAMES, Unit, caseless, tight
from relgen.data.samples import Entity
from relgen.data.text import find_mentions, is_han, is_unspaced, normalised

_BRACKETS = {"lrb": "(", "rrb": ")", "lsb": "[", "rsb": "]", "lcb": "{", "rcb": "}"}
_BRACKET = re.compile(rf"-({'|'.join(_BRACKETS)})-", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([/*])")
_QUOTES = {"``": '"', "''": '"', "`": "'"}


def readable(token: str) -> str:
    """Return a token with the Penn Treebank's codes replaced by plain characters."""
    if token in _QUOTES:
        return _QUOTES[token]
    token = _BRACKET.sub(lambda code: _BRACKETS[code[1].lower()], token)
    return _ESCAPED.sub(r"\1", token)


def _readable_words(text: str) -> str:
    return " ".join(map(readable, text.split()))


def named_in(text: str, name: Any) -> str | None:
    """Return the name of an entity if it is in a text.

    Another one may be that of a knowledge base, and tells nothing of where the entity is.
    """
    plain = normalised(_readable_words(name)) if isinstance(name, str) else ""
    return name if plain and f" {plain} " in f" {normalised(text)} " else None


def _spaced(before: str, after: str) -> bool:
    """Return whether a space belongs between two characters of different tokens."""
    if is_unspaced(before) and is_unspaced(after):
        return False
    # 2008年
    return not ((is_han(before) and after.isdigit()) or (before.isdigit() and is_han(after)))


@dataclass(frozen=True, slots=True)
class TokenText:
    """The text of joined tokens, with the start and the (exclusive) end of each, in characters."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def join(cls, tokens: Any, field: str) -> TokenText:
        """Join tokens, each made `readable`; raise InputError unless they are a list of strings.

        White space within a token becomes a single space; an empty token adds none. Scripts that
        put no spaces between words (Chinese, Japanese, Thai) get none. If all tokens of such a text
        are single characters, there are only the spaces that are tokens of their own.
        """
        if not isinstance(tokens, list) or {type(token) for token in tokens} != {str}:
            raise InputError("must be a list of strings, and not empty", field=field, value=tokens)
        text, starts, ends = "", list[int](), list[int]()
        characters = all(len(token) < 2 for token in tokens) and any(map(is_unspaced, tokens))
        space = False
        for token in tokens:
            word = " ".join(readable(token).split())
            space = (space or token.isspace()) and characters
            if text and word and (space if characters else _spaced(text[-1], word[0])):
                text += " "
            space = space and not word
            text += word
            starts.append(len(text) - len(word))
            ends.append(len(text))
        return cls(text, tuple(starts), tuple(ends))

    def entity(self, start: int, end: int, *, field: str, kind: str | None = None) -> Entity:
        """Return the mention from token `start` to `end` (exclusive), in characters."""
        size = len(self.starts)
        if not 0 <= start < end <= size:
            problem = f"token offsets must satisfy 0 <= start < end <= {size}, the token count"
            raise InputError(problem, field=field, value=[start, end])
        # skip leading tokens without characters: they begin where the previous token ends
        first = next((i for i in range(start, end) if self.starts[i] < self.ends[i]), start)
        return Entity(self.starts[first], self.ends[end - 1], kind)

    def entity_at(
        self,
        start: int,
        end: int,
        mention: str | None,
        *,
        unit: Unit = "characters",
        field: str,
        kind: str | None = None,
    ) -> tuple[Entity, str | None]:
        """Return the mention from one token to another, and what is counted if not as said.

        Ends are exclusive, or inclusive as a `unit`. Where a mention is given and is not at the
        tokens, the end is read the other way, and both numbers as characters of the text.

        Raises:
            InputError: there are no such tokens, or the mention is not at them either way.
        """
        ends = {None: end, NAMES["inclusive"]: end + 1}
        if unit == "inclusive":
            ends = {None: end + 1, "exclusive ends": end}
        if mention is None:
            return self.entity(start, ends[None], field=field, kind=kind), None
        found = {
            name: self.entity(start, last, field=field, kind=kind)
            for name, last in ends.items()
            if 0 <= start < last <= len(self.starts)
        }
        named = _readable_words(mention)
        for form in (tight, caseless, normalised):
            for name, entity in found.items():
                if form(self.text[entity.start : entity.end]) == form(named) != "":
                    return entity, name
        if start >= 0 and self.text[start:end].casefold() == named.casefold():
            return Entity(start, end, kind), "characters, where tokens are counted"
        marked = self.entity(start, ends[None], field=field, kind=kind)
        places = find_mentions(self.text.lower(), named.lower())
        guess = ", ".join(
            f"[{bisect_right(self.starts, a) - 1}, {bisect_left(self.ends, b) + 1}]"
            for a, b in places[:3]
        )
        raise InputError(
            f"the tokens at its offsets are '{self.text[marked.start : marked.end]}'",
            field=field,
            value=mention,
            remedy=f"it is at the tokens {guess}" if guess else "it is nowhere in the text",
        )
