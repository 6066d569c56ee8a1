"""Tokens to text: joined by single spaces, with the character offsets of token spans.

The original spacing is not in the files, and nothing here guesses it: `do n't` stays `do n't`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from relgen.errors import InputError
from relgen.samples import Entity


@dataclass(frozen=True, slots=True)
class TokenText:
    """Tokens joined by single spaces.

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
        """Joins a decoded JSON list of texts.

        Raises:
            InputError: it is no list of texts, or empty.
        """
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise InputError("must be a list of texts", field=field, value=tokens)
        if not tokens:
            raise InputError("is empty", field=field, value=tokens)
        starts, ends, position = [], [], 0
        for token in tokens:
            starts.append(position)
            ends.append(position + len(token))
            position += len(token) + 1
        return cls(" ".join(tokens), tuple(starts), tuple(ends))

    def entity(self, start: int, end: int, *, field: str, kind: str | None = None) -> Entity:
        """The mention of tokens `start` to `end` (exclusive), in characters.

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
        return Entity(self.starts[start], self.ends[end - 1], kind)
