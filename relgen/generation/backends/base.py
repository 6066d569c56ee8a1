"""The interface of a language model that writes drafts: prefill prompts, then decode answers.

A backend holds a set of chains, by number. What it keeps between calls (a key/value cache, or just
the prompts) is up to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from relgen.generation.grammar.spec import GrammarSpec
from relgen.prompting import Prompt

Finish = Literal["stop", "length", "grammar"]


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """A request for one draft.

    Args:
        chain: the chain whose prompt it answers.
        key: seeds the draft's random numbers: the same key and prompt give the same draft.
        max_tokens: the draft is cut off there.
        one_line: end at the first line break after some text, too.
        grammar: the form that the draft must have; None allows any.
    """

    chain: int
    key: str
    max_tokens: int
    one_line: bool
    grammar: GrammarSpec | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that the model wrote.

    Args:
        text: without the stop token.
        finish: `stop` = ended by itself, `length` = ran out of tokens, `grammar` = the grammar
            allowed no further token.
        tokens: number of generated tokens, the stop token included.
        logprobs: for each line of the text the mean log-probability of its tokens (its line break
            or stop token included) under the unmodified policy; None where unknown.
    """

    text: str
    finish: Finish
    tokens: int
    logprobs: tuple[float | None, ...]


class Backend(Protocol):
    """A language model that writes drafts for several chains at a time."""

    def prefill(self, prompts: Mapping[int, Prompt]) -> None:
        """Set the prompts of chains: new ones, or ones whose prompt has changed.

        The same sequence of calls must leave the same state: a resumed run repeats the calls of
        the interrupted one, without its drafts.
        """

    def decode(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """Write a draft for each request; a chain may have several."""

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
