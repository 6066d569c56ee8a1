"""What the loop asks of a language model, wherever it runs: two calls, with texts going in and out.

A backend holds a set of chains, by number. `show` tells it what a chain's prompt is now, `draft`
asks for answers to the prompts shown. What it keeps between calls (a key/value cache, a text) is
its own affair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from relgen.generation.grammar.spec import GrammarSpec
from relgen.prompting import Prompt

Finish = Literal["stop", "length", "grammar"]


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """One draft to write.

    Args:
        chain: the chain whose prompt it answers.
        key: names the draft's random numbers: the same key and prompt give the same draft.
        max_tokens: the draft is cut off there.
        one_line: end at the first line break after some text, too.
        grammar: what it may look like; None leaves it free.
    """

    chain: int
    key: str
    max_tokens: int
    one_line: bool
    grammar: GrammarSpec | None


@dataclass(frozen=True, slots=True)
class Draft:
    """What the model wrote.

    Args:
        text: without the stop token.
        finish: `stop` = ended by itself, `length` = ran out of tokens, `grammar` = the grammar
            allowed no further token.
        tokens: generated, the stop token included.
        logprobs: for each line of the text the mean log-probability of its tokens (its line break
            or stop token included) under the unmodified policy; None where unknown.
    """

    text: str
    finish: Finish
    tokens: int
    logprobs: tuple[float | None, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that stands in the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Draft:
        """Reads what `to_json` gave."""
        return cls(row["text"], row["finish"], row["tokens"], tuple(row["logprobs"]))


class Backend(Protocol):
    """A language model that writes drafts for several chains at a time."""

    def show(self, prompts: Mapping[int, Prompt]) -> None:
        """Sets the prompts of chains: new ones, or ones whose prompt has changed.

        The same sequence of calls must leave the same state: a resumed run repeats the calls of
        the interrupted one, without its drafts.
        """

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """Writes a draft for each request; a chain may have several."""

    def forget(self) -> None:
        """Drops all chains."""

    def close(self) -> None:
        """Releases what it holds: memory, connections."""


def line_logprobs(
    pieces: Sequence[str], logprobs: Sequence[float], lines: int
) -> list[float | None]:
    """Means over the tokens of each line; a token with a line break belongs to the line it ends."""
    sums, counts, line = [0.0] * lines, [0] * lines, 0
    for piece, logprob in zip(pieces, logprobs, strict=True):
        if line < lines:
            sums[line] += logprob
            counts[line] += 1
        line += piece.count("\n")
    return [round(s / n, 6) if n else None for s, n in zip(sums, counts, strict=True)]


def read_text(
    text: str,
    finish: Finish,
    tokens: int,
    pieces: Sequence[str],
    logprobs: Sequence[float],
    *,
    one_line: bool,
) -> Draft:
    """The draft in what an engine wrote.

    Args:
        text: without the stop token.
        finish: how it ended.
        tokens: how many it took.
        pieces: the tokens' texts; empty where unknown.
        logprobs: their log-probabilities.
        one_line: keep the first line that holds a text.
    """
    lines = text.split("\n")
    means = line_logprobs(pieces, logprobs, len(lines))
    if not one_line:
        return Draft("\n".join(line.strip() for line in lines), finish, tokens, tuple(means))
    place = next((i for i, line in enumerate(lines) if line.strip()), 0)
    # a further line begun means that this one is whole
    cut = "stop" if place < len(lines) - 1 else finish
    return Draft(lines[place].strip(), cut, tokens, (means[place],))


def seed_of(key: str) -> int:
    """31 bits that depend on a request's key alone, for engines that take a seed."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") >> 1
