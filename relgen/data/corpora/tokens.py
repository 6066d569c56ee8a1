"""Tokens to text: joined by single spaces, with the character offsets of token spans.

The files do not hold the original spacing, and nothing here guesses it: `do n't` stays `do n't`.
Codes of the Penn Treebank's tokenisers are replaced by the characters that they stand for, in every
corpus of tokens, since they have no other meaning:

    -LRB- -RRB- -LSB- -RSB- -LCB- -RCB-     ( ) [ ] { }, also inside a token: -LRB-030-RRB-
    `` and '', `                            " and '
    \\/ and \\*                               / and *
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from relgen.common import InputError
from relgen.data.samples import Entity

_BRACKETS = {"lrb": "(", "rrb": ")", "lsb": "[", "rsb": "]", "lcb": "{", "rcb": "}"}
_BRACKET = re.compile(rf"-({'|'.join(_BRACKETS)})-", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([/*])")
_QUOTES = {"``": '"', "''": '"', "`": "'"}


def readable(token: str) -> str:
    """Replace the Penn Treebank's codes in a token by the characters that they stand for."""
    if token in _QUOTES:
        return _QUOTES[token]
    token = _BRACKET.sub(lambda code: _BRACKETS[code[1].lower()], token)
    return _ESCAPED.sub(r"\1", token)


@dataclass(frozen=True, slots=True)
class TokenText:
    """Tokens as text, joined by single spaces.

    Args:
        text: the joined text.
        starts: the character at which each token begins.
        ends: the character after each token.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def join(cls, tokens: Any, field: str) -> TokenText:
        """Join a decoded JSON list of texts, each made `readable` before offsets are counted.

        White space within a token becomes single spaces; an empty token adds none.

        Raises:
            InputError: it is not a list of texts, or it is empty.
        """
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise InputError("must be a list of texts", field=field, value=tokens)
        if not tokens:
            raise InputError("is empty", field=field, value=tokens)
        text, starts, ends = "", list[int](), list[int]()
        for token in tokens:
            # white space inside a token would break a line, or a sentence in two
            word = " ".join(readable(token).split())
            text += f" {word}" if text and word else word
            starts.append(len(text) - len(word))
            ends.append(len(text))
        return cls(text, tuple(starts), tuple(ends))

    def entity(self, start: int, end: int, *, field: str, kind: str | None = None) -> Entity:
        """Return the mention of tokens `start` to `end` (exclusive), in characters.

        Raises:
            InputError: the span is empty or out of range.
        """
        if not 0 <= start < end <= len(self.starts):
            raise InputError(
                f"token offsets must satisfy 0 <= start < end <= {len(self.starts)}, "
                "the number of tokens",
                field=field,
                value=[start, end],
            )
        # a token without a character begins where the one before it ends
        first = next((i for i in range(start, end) if self.starts[i] < self.ends[i]), start)
        return Entity(self.starts[first], self.ends[end - 1], kind)
