"""Chains as token ids: segments are tokenised one by one, and long chains are cut."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

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
    """

    id: str
    prefix: list[int]  # the prompt's first two modules
    demonstrations: list[list[int]]
    cue: list[int]  # the text before the answer
    chosen: list[list[int]]
    rejected: list[list[int]]
    kinds: list[int]  # indices into `relgen.dpo.preference_pairs.REJECTION_KINDS`
    cut: int = 0  # pairs dropped from the chain's end because they did not fit

    @property
    def key(self) -> str:
        """Return a hash over all token ids, 16 hex digits."""
        row = {name: value for name, value in asdict(self).items() if name not in ("id", "cut")}
        return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def tree_tokens(self) -> int:
        """Return the number of tokens in the packed tree: the cue counts once for each pair."""
        trunk = len(self.prefix) + sum(map(len, self.demonstrations))
        completions = sum(map(len, self.chosen)) + sum(map(len, self.rejected))
        return trunk + len(self.chosen) * len(self.cue) + completions

    @property
    def row_tokens(self) -> int:
        """Return the number of tokens in the same pairs as 2K rows, without padding."""
        total = 0
        for fork, chosen, rejected in zip(self.forks(), self.chosen, self.rejected, strict=True):
            total += 2 * (fork + len(self.cue)) + len(chosen) + len(rejected)
        return total

    def forks(self) -> list[int]:
        """Return for each pair the number of trunk tokens that its prompt shows."""
        return list(accumulate(map(len, self.demonstrations), initial=len(self.prefix)))[1:]


def tokenise_chain(
    chain: Chain,
    relation: Relation,
    writer: PromptWriter,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    window: int | None = None,
) -> ChainTokens:
    """Tokenise a chain segment by segment.

    A chain is cut before the first pair whose path (root to leaf) is longer than `max_length`
    tokens, or than the model's `window` if that is less. The pairs that are cut do not form a
    second chain: their rejected copies are of demonstrations that it would not show.

    Raises:
        InputError: a completion does not fit even with a single demonstration.
        ValueError: the cue or the terminator has no tokens.
    """
    prompt = writer.prompt(relation, chain.demonstrations(len(chain.pairs) - 1))
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
        # the first token of a completion is predicted at the cue's last
        raise InputError(
            f"its tokenizer has no tokens for {prompt.cue!r} and {prompt.terminator!r}, between "
            "which a sample stands",
            field="model",
            value=tokenizer.name_or_path,
            remedy="choose a language model, which has tokens for line ends",
        )
    return _cut(whole, max_length, window)


def _cut(chain: ChainTokens, max_length: int, window: int | None) -> ChainTokens:
    most = min(max_length, window or max_length)
    forks, paths = chain.forks(), []
    for step, completions in enumerate(zip(chain.chosen, chain.rejected, strict=True)):
        rest = len(chain.cue) + max(map(len, completions))
        alone = forks[0] + rest
        if alone > most:
            needed = (
                f"pair {step} of chain '{chain.id}' needs {alone} tokens with one demonstration"
            )
            remedy = f"set max_length to at least {alone}, or remove the sample"
            if window is not None and alone > window:
                needed += f", more than the {window} positions of this model"
                remedy = "remove the sample, or use a model that takes longer texts"
            raise InputError(needed, field="max_length", value=max_length, remedy=remedy)
        paths.append(forks[step] + rest)
    kept = next((step for step, path in enumerate(paths) if path > most), len(paths))
    return replace(
        chain,
        demonstrations=chain.demonstrations[:kept],
        chosen=chain.chosen[:kept],
        rejected=chain.rejected[:kept],
        kinds=chain.kinds[:kept],
        cut=len(paths) - kept,
    )
