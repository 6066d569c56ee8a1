"""Defines the interface of a backend: prefill prompts, then decode drafts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from relgen.generation.grammar.spec import GrammarSpec
from relgen.prompting import Prompt

Finish = Literal["stop", "length", "grammar"]


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """A request for one draft."""

    chain: int  # number of the chain whose prompt it continues
    key: str  # seed of the random numbers: equal keys and prompts give equal drafts
    max_tokens: int
    one_line: bool  # stop at the first line break after some text
    grammar: GrammarSpec | None  # the form of the draft; None allows any


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that the model wrote.

    `logprobs` has the mean log-probability of each line's tokens (line break or stop token
    included) under the unmodified policy; None if unknown.
    """

    text: str  # without the stop token
    finish: Finish  # ended by itself (`stop`), token limit (`length`), no token allowed (`grammar`)
    tokens: int  # stop token included
    logprobs: tuple[float | None, ...]


class Backend(Protocol):
    """A language model that writes drafts for several chains at a time."""

    def prefill(self, prompts: Mapping[int, Prompt]) -> None:
        """Set new or changed prompts by chain number.

        Equal sequences of calls must lead to equal states, since a resumed run repeats them.
        """

    def decode(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """Return a draft for each request; several requests may name the same chain."""

    def reset(self) -> None:
        """Drop all chains."""

    def close(self) -> None:
        """Release memory and connections."""


def line_logprobs(
    pieces: Sequence[str], logprobs: Sequence[float], lines: int
) -> list[float | None]:
    """Return the mean log-probability of each line's tokens.

    A token with a line break belongs to the line that it ends.
    """
    sums, counts, line = [0.0] * lines, [0] * lines, 0
    for piece, logprob in zip(pieces, logprobs, strict=True):
        if line < lines:
            sums[line] += logprob
            counts[line] += 1
        line += piece.count("\n")
    return [round(s / n, 6) if n else None for s, n in zip(sums, counts, strict=True)]
