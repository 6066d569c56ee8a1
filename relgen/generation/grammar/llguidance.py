"""Computes the masks of allowed next tokens for a local model (llguidance).

The stop token follows a complete text. Where the grammar leaves no choice (inside a tag), only the
tokeniser's own tokenisation is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import llguidance.hf
import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor

from relgen.common import InputError
from relgen.generation.grammar.spec import UNICODE, GrammarSpec, as_lark

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast


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
        self._vocabulary = vocabulary
        self._compile = lru_cache(maxsize=256)(self._compiled)

    def start(self, spec: GrammarSpec) -> DraftGrammar:
        """Return the state at the beginning of a draft."""
        return DraftGrammar(self._compile(spec).deep_copy(), self._vocabulary)

    def _compiled(self, spec: GrammarSpec) -> LLMatcher:
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(as_lark(spec)))
        if matcher.is_error():
            raise InputError(
                f"the grammar does not compile: {matcher.get_error().splitlines()[0]}",
                field="grammar",
                remedy="set grammar: false, or smaller max_context_chars and max_entity_chars",
            )
        return matcher


class DraftGrammar:
    """The state of one draft in its grammar."""

    def __init__(self, matcher: LLMatcher, vocabulary: int) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary

    def allowed(self) -> np.ndarray | None:
        """Return the allowed next tokens, (V,) bool; None if there are none, or after an error."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        mask = np.unpackbits(bits, bitorder="little")[: self._vocabulary].astype(bool)
        # llguidance does not raise: after an error its masks mean nothing
        if self._matcher.is_error() or not mask.any():
            return None
        return mask

    def advance(self, token: int) -> bool:
        """Consume a token; return False if the grammar does not allow it or has failed."""
        return bool(self._matcher.consume_token(token)) and not self._matcher.is_error()


def stack_allowed(masks: Sequence[np.ndarray | None], device: torch.device) -> Tensor:
    """Stack the rows' masks to (B, V) bool; a failed row, which has none, may take any token."""
    width = next(len(mask) for mask in masks if mask is not None)
    rows = [np.ones(width, dtype=bool) if mask is None else mask for mask in masks]
    return torch.from_numpy(np.stack(rows)).to(device)
