"""Computes the masks of allowed next tokens for a local model (llguidance).

The stop token follows a complete text. Where the grammar leaves no choice (inside a tag), only the
tokeniser's own tokenisation is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import llguidance.hf
import numpy as np
import torch
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from torch import Tensor

from relgen.common import InputError
from relgen.common import library_messages as messages
from relgen.generation.grammar.spec import UNICODE, GrammarSpec, as_lark

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

_MAX_STATES = 250_000  # of an automaton, some 100 bytes each


class GrammarCompiler:
    """Compiles grammars for one fast tokeniser, each once.

    `vocabulary` is the width of the model's logits, which can exceed the tokeniser's. `stop_ids`
    end a draft, and are allowed where the text is complete.
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
                slices=[f"{UNICODE.free}{{1,30}}"],
            )
        except Exception as error:  # the Rust side raises several kinds
            raise InputError(
                f"this model's tokeniser cannot be used with a grammar: {error}",
                field="grammar",
                remedy="set grammar: false (--no-grammar), or use a model with a fast tokeniser",
            ) from error
        self.vocabulary = vocabulary
        self._matchers: dict[GrammarSpec, LLMatcher] = {}

    def start(self, spec: GrammarSpec) -> DraftGrammar:
        """Return the state at the beginning of a draft."""
        return DraftGrammar(self, spec)

    def matcher(self, spec: GrammarSpec, *, full: LLMatcher | None = None) -> LLMatcher:
        """Return the engine's state at the beginning, whose automaton all copies share.

        It is a new one if the latest is `full`, so that drafts of a batch go on with the same.
        """
        if self._matchers.get(spec) is full:
            self._matchers[spec] = self._compiled(spec)
        return self._matchers[spec]

    def _compiled(self, spec: GrammarSpec) -> LLMatcher:
        lark = LLMatcher.grammar_from_lark(as_lark(spec))
        matcher = LLMatcher(
            self._tokenizer, lark, limits=LLParserLimits(max_lexer_states=_MAX_STATES)
        )
        if matcher.is_error():
            raise InputError(
                f"the grammar does not compile: {matcher.get_error().splitlines()[0]}",
                field="grammar",
                remedy="set grammar: false, or smaller max_context_chars and max_entity_chars",
            )
        return matcher


class DraftGrammar:
    """The state of one draft in its grammar.

    All drafts of a grammar share an automaton, which grows up to a limit; what fails there goes on
    with a new one.
    """

    def __init__(self, compiler: GrammarCompiler, spec: GrammarSpec) -> None:
        self._compiler = compiler
        self._spec = spec
        self._start = compiler.matcher(spec)
        self._matcher = self._start.deep_copy()
        self._tokens: list[int] = []

    def allowed(self) -> np.ndarray | None:
        """Return the allowed next tokens, (V,) bool; None if there are none, or after an error."""
        bitmask = self._matcher.compute_bitmask()
        if _is_full(self._matcher):
            self._begin_afresh()
            bitmask = self._matcher.compute_bitmask()
        bits = np.frombuffer(bitmask, dtype=np.uint8)
        mask = np.unpackbits(bits, bitorder="little")[: self._compiler.vocabulary].astype(bool)
        # llguidance does not raise: after an error its masks mean nothing
        if self._matcher.is_error() or not mask.any():
            return None
        return mask

    def advance(self, token: int) -> bool:
        """Consume a token; return False if the grammar does not allow it or has failed."""
        self._tokens.append(token)
        self._matcher.consume_token(token)
        if _is_full(self._matcher):
            self._begin_afresh()
        return not self._matcher.is_error()

    def _begin_afresh(self) -> None:
        for _ in range(2):  # other drafts may have filled the latest automaton as well
            self._start = self._compiler.matcher(self._spec, full=self._start)
            self._matcher = self._start.deep_copy()
            self._matcher.consume_tokens(self._tokens)
            if not _is_full(self._matcher):
                return


def _is_full(matcher: LLMatcher) -> bool:
    return matcher.is_error() and bool(messages.FULL_AUTOMATON.search(matcher.get_error()))


def stack_allowed(masks: Sequence[np.ndarray | None], device: torch.device) -> Tensor:
    """Stack the rows' masks to (B, V) bool; a failed row, which has none, may take any token."""
    width = next(len(mask) for mask in masks if mask is not None)
    rows = [np.ones(width, dtype=bool) if mask is None else mask for mask in masks]
    return torch.from_numpy(np.stack(rows)).to(device)
