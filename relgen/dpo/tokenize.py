"""A chain as token ids: its segments tokenised one by one, and cut to the length that fits.

Leaves out: how the segments are laid out for a model (`relgen.dpo.prefix_tree`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from relgen.common import InputError
from relgen.data import Relation
from relgen.dpo.preference_pairs import REJECTION_KINDS, Chain
from relgen.prompting import PromptWriter, encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class ChainTokens:
    """A chain of K pairs as token ids.

    Pair k (from 0) is asked with `prefix + demonstrations[0] + … + demonstrations[k] + cue` and
    answered with `chosen[k]` or `rejected[k]`, terminator included.

    Args:
        id: the chain's id.
        prefix: ids of the prompt's first two modules.
        demonstrations: ids of K demonstrations.
        cue: ids of what asks for the answer.
        chosen: ids of K completions.
        rejected: ids of K completions.
        kinds: K indices into `relgen.dpo.preference_pairs.REJECTION_KINDS`.
        cut: pairs left out at the chain's end because they would not fit.
    """

    id: str
    prefix: list[int]
    demonstrations: list[list[int]]
    cue: list[int]
    chosen: list[list[int]]
    rejected: list[list[int]]
    kinds: list[int]
    cut: int = 0

    @property
    def key(self) -> str:
        """Return 16 hex digits of a hash over all token ids."""
        row = {name: value for name, value in asdict(self).items() if name not in ("id", "cut")}
        return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def tree_tokens(self) -> int:
        """Return the tokens of the packed tree: each segment once, the cue once a pair."""
        trunk = len(self.prefix) + sum(map(len, self.demonstrations))
        completions = sum(map(len, self.chosen)) + sum(map(len, self.rejected))
        return trunk + len(self.chosen) * len(self.cue) + completions

    @property
    def row_tokens(self) -> int:
        """Return the tokens of the same pairs as 2K rows, without padding."""
        total = 0
        for fork, chosen, rejected in zip(self.forks(), self.chosen, self.rejected, strict=True):
            total += 2 * (fork + len(self.cue)) + len(chosen) + len(rejected)
        return total

    def forks(self) -> list[int]:
        """Return how many tokens of the trunk each pair's prompt shows."""
        forks, length = [], len(self.prefix)
        for demonstration in self.demonstrations:
            length += len(demonstration)
            forks.append(length)
        return forks

    def to_row(self) -> dict[str, Any]:
        """Return the row of an Arrow table."""
        return asdict(self)


def tokenise_chain(
    chain: Chain,
    relation: Relation,
    writer: PromptWriter,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
) -> ChainTokens:
    """Tokenise a chain segment by segment.

    A chain with a path (root to leaf) of more than `max_length` tokens ends before the first pair
    that does not fit. The pairs after it are left out, not moved to a chain of their own: their
    rejected copies are copies of demonstrations that such a chain would not show.

    Args:
        chain: the chain.
        relation: its relation, with the explanation.
        writer: writes the segments.
        tokenizer: of the model that is tuned.
        max_length: the longest path, in tokens.

    Raises:
        InputError: a completion does not fit even with a single demonstration, or has no tokens.
    """
    prompt = writer.one_by_one(relation, chain.demonstrations(len(chain.pairs) - 1))
    terminator = encode(tokenizer, prompt.terminator)
    whole = ChainTokens(
        id=chain.id,
        prefix=encode(tokenizer, prompt.prefix),
        demonstrations=[encode(tokenizer, segment) for segment in prompt.demonstrations],
        cue=encode(tokenizer, prompt.cue),
        chosen=[encode(tokenizer, writer.completion(p.chosen)) + terminator for p in chain.pairs],
        rejected=[
            encode(tokenizer, writer.completion(p.rejected)) + terminator for p in chain.pairs
        ],
        kinds=[REJECTION_KINDS.index(pair.kind) for pair in chain.pairs],
    )
    if not whole.cue or not terminator:
        raise ValueError(
            f"the cue {prompt.cue!r} and the terminator {prompt.terminator!r} must have tokens: "
            "the first token of a completion is predicted at the cue's last"
        )
    return _cut(whole, max_length)


def _cut(chain: ChainTokens, max_length: int) -> ChainTokens:
    forks = chain.forks()
    longest = [max(len(c), len(r)) for c, r in zip(chain.chosen, chain.rejected, strict=True)]
    for step, length in enumerate(longest):
        alone = forks[0] + len(chain.cue) + length
        if alone > max_length:
            raise InputError(
                f"pair {step} of chain '{chain.id}' needs {alone} tokens with one demonstration",
                field="max_length",
                value=max_length,
                remedy=f"give max_length at least {alone}, or leave the sample out",
            )
    fits = [
        fork + len(chain.cue) + length <= max_length
        for fork, length in zip(forks, longest, strict=True)
    ]
    kept = fits.index(False) if False in fits else len(fits)
    return ChainTokens(
        id=chain.id,
        prefix=chain.prefix,
        demonstrations=chain.demonstrations[:kept],
        cue=chain.cue,
        chosen=chain.chosen[:kept],
        rejected=chain.rejected[:kept],
        kinds=chain.kinds[:kept],
        cut=len(fits) - kept,
    )
