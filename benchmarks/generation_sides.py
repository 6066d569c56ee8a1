"""The other side of `benchmarks.generation`: a backend over `transformers.generate`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from relgen.generation import DraftRequest
from relgen.generation.backends import transformers
from relgen.generation.backends.base import Draft
from relgen.generation.grammar.llguidance import DraftGrammar, GrammarCompiler, stack_allowed
from relgen.prompting import Prompt, encode


class CountingModel:
    """Counts a model's forward passes, and the tokens that they read."""

    def __init__(self, model: Any) -> None:
        self.passes = 0
        self.tokens = 0
        model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self.passes += 1
        self.tokens += kwargs["input_ids"].numel()


class GrammarClock:
    """Adds up the time that relgen's backend spends in the grammar: masks, states, stacking."""

    def __init__(self) -> None:
        self.seconds = 0.0
        for place, name in (
            (DraftGrammar, "allowed"),
            (DraftGrammar, "advance"),
            (transformers, "stack_allowed"),
        ):
            setattr(place, name, self._timed(getattr(place, name)))

    def _timed(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any) -> Any:
            began = time.perf_counter()
            try:
                return work(*args)
            finally:
                self.seconds += time.perf_counter() - began

        return measured


class _Grammar(LogitsProcessor):
    """relgen's grammar in `generate`: the same masks, one state a row."""

    def __init__(self, states: Sequence[DraftGrammar], prompt: int) -> None:
        self._states = states
        self._prompt = prompt
        self._ended = [False] * len(states)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if input_ids.shape[1] > self._prompt:
            for row, token in enumerate(input_ids[:, -1].tolist()):
                self._ended[row] = self._ended[row] or not self._states[row].advance(token)
        masks = [
            None if ended else state.allowed()
            for state, ended in zip(self._states, self._ended, strict=True)
        ]
        if all(mask is None for mask in masks):
            return scores
        return scores.masked_fill(~stack_allowed(masks, scores.device), float("-inf"))


class GenerateBackend:
    """`model.generate` at every step, greedy, prompts padded on the left.

    Args:
        model: in eval mode.
        tokenizer: the model's.
        stop_ids: end a draft.
        batch: prompts at once; None takes all.
    """

    def __init__(
        self, model: Any, tokenizer: Any, stop_ids: Sequence[int], *, batch: int | None
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._stop_ids = list(stop_ids)
        self._batch = batch
        self._prompts: dict[int, Prompt] = {}
        vocabulary = model.get_input_embeddings().weight.shape[0]
        self._compiler = GrammarCompiler(tokenizer, vocabulary, stop_ids)

    def prefill(self, prompts: Mapping[int, Prompt]) -> None:
        """Keep the prompts."""
        self._prompts.update(prompts)

    def decode(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """Read every prompt from its beginning."""
        size = self._batch or len(requests)
        parts = [requests[first : first + size] for first in range(0, len(requests), size)]
        return [draft for part in parts for draft in self._answers(part)]

    def reset(self) -> None:
        """Drop the prompts."""
        self._prompts.clear()

    @torch.inference_mode()
    def _answers(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        prompts = [
            [
                token
                for segment in self._prompts[request.chain].segments
                for token in encode(self._tokenizer, segment)
            ]
            for request in requests
        ]
        width = max(map(len, prompts))
        padding = self._stop_ids[0]
        device = self._model.device
        ids = [[padding] * (width - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        processors = LogitsProcessorList()
        if requests[0].grammar is not None:
            states = [self._compiler.start(r.grammar) for r in requests if r.grammar is not None]
            processors.append(_Grammar(states, width))
        output = self._model.generate(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=torch.tensor(mask, device=device),
            do_sample=False,
            max_new_tokens=requests[0].max_tokens,
            eos_token_id=self._stop_ids,
            pad_token_id=padding,
            logits_processor=processors,
        )
        return [self._draft(row) for row in output[:, width:].tolist()]

    def _draft(self, ids: list[int]) -> Draft:
        end = next((i for i, token in enumerate(ids) if token in self._stop_ids), None)
        text = self._tokenizer.decode(
            ids if end is None else ids[:end],
            skip_special_tokens=False,
            clean_up_tokenization_spaces=False,
        )
        tokens = len(ids) if end is None else end + 1
        return Draft(text, "length" if end is None else "stop", tokens, (None,))
