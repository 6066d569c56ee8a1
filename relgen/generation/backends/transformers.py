"""Decodes drafts with a local model, keeping its key/value cache between steps.

The cache row of a chain holds its whole prompt. A draft is decoded in this row, which is cut
afterwards; several drafts of a chain at a time are decoded in copies of it. When a demonstration is
added, the row is cut before the cue, and only the demonstration and the cue are read. A retry reads
nothing, since the logits after the cue are kept.

The repetition penalty includes the prompt's tokens, as in `transformers.generate`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from relgen.generation.backends.base import Draft, DraftRequest, Finish, line_logprobs
from relgen.generation.backends.cache import RaggedCache
from relgen.generation.backends.draft_cache import DraftCache, shares_prompts
from relgen.generation.backends.sampling import choose_tokens
from relgen.generation.grammar.llguidance import DraftGrammar, GrammarCompiler, stack_allowed
from relgen.generation.settings import GenerationSettings
from relgen.models import check_fits, context_window
from relgen.prompting import Prompt, encode, shared_length

_REMEDY = {
    "obo": "give more `chains`, each of which gets shorter, a `window`, or ask for fewer `samples`",
    "aao": "show fewer labelled samples (`shown`)",
}


@dataclass(slots=True)
class _Row:
    """A cached prompt: its row, the token ids of each segment, and the logits (V,) after them."""

    number: int
    segments: tuple[str, ...] = ()
    ids: list[list[int]] = field(default_factory=list)
    logits: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def prompt_ids(self) -> list[int]:
        return [token for segment in self.ids for token in segment]


@dataclass(slots=True)
class _Writing:
    """A draft in progress, of at most `most` tokens."""

    request: DraftRequest
    row: _Row
    rng: random.Random
    grammar: DraftGrammar | None
    most: int
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Finish | None = None


class TransformersBackend:
    """A causal language model of transformers, in eval mode, on its device.

    It must have full attention in all layers, and may be a PEFT model. `stop_ids` end a draft.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        settings: GenerationSettings,
        stop_ids: Sequence[int],
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._settings = settings
        self._stop_ids = frozenset(stop_ids)
        self._device: torch.device = model.device
        self._vocabulary: int = model.get_input_embeddings().weight.shape[0]
        self._window = context_window(model.config)
        self._grammars: GrammarCompiler | None = None
        self._cache = RaggedCache(model.config.get_text_config().num_hidden_layers)
        self._copies = RaggedCache(len(self._cache.layers))
        self._rows: dict[int, _Row] = {}
        self._places: list[_Row] = []  # the same, by their place in the cache

    @torch.inference_mode()
    def prefill(self, prompts: Mapping[int, Prompt]) -> None:
        """Read each prompt's new segments; earlier segments are cached.

        Raises InputError if a prompt leaves no room for a sample in the context window.
        """
        rows, fresh, most = [], [], self._settings.max_new_tokens
        for chain, prompt in prompts.items():
            if chain not in self._rows:
                self._rows[chain] = _Row(len(self._rows))
                self._places.append(self._rows[chain])
            row = self._rows[chain]
            kept = _common(row.segments, prompt.segments)
            ids = [encode(self._tokenizer, segment) for segment in prompt.segments[kept:]]
            row.segments, row.ids = prompt.segments, row.ids[:kept] + ids
            # a longer answer (AAO) may reach the end: its unfinished line is then rejected
            check_fits(
                len(row.prompt_ids),
                most,
                self._window,
                model=self._settings.model,
                remedy=f"{_REMEDY[self._settings.mode]}, lower `max_new_tokens` ({most}), or use a "
                "model with more positions; this starts a new generation, and the samples of this "
                "one stay in its journal",
            )
            if row.number < len(self._cache.lengths):
                self._cache.lengths[row.number] = sum(map(len, row.ids[:kept]))
            else:
                fresh.append(row)
            rows.append(row)
        self._read_common({row.number: row.ids[0] for row in fresh})
        if rows:
            lengths = self._cache.lengths + [0] * len(fresh)
            news = [row.prompt_ids[lengths[row.number] :] for row in rows]
            logits = self._cache.append(self._model, [row.number for row in rows], news)
            for row, row_logits in zip(rows, logits, strict=True):
                row.logits = row_logits.clone()

    def _read_common(self, first: Mapping[int, list[int]]) -> None:
        """Prefill shared prefixes once: the description, then each explanation."""
        rows, shared = list(first), shared_length(list(first.values()))
        if len(rows) < 2 or not shared:
            return
        self._cache.append(self._model, rows[:1], [first[rows[0]][:shared]])
        self._cache.spread(rows[0], rows[1:])
        groups: dict[tuple[int, ...], list[int]] = {}
        for row, ids in first.items():
            groups.setdefault(tuple(ids[shared:]), []).append(row)
        ahead = {group[0]: ids for ids, group in groups.items() if ids}
        if ahead:
            self._cache.append(self._model, list(ahead), list(ahead.values()))
        for leader, *others in groups.values():
            if others:
                self._cache.spread(leader, others)

    @torch.inference_mode()
    def decode(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """Decode all requests as one batch; a finished draft leaves the batch."""
        drafts = [self._begin(request) for request in requests]
        active = list(drafts)
        single = len({draft.row.number for draft in drafts}) == len(drafts)
        if single:
            for place, draft in enumerate(drafts):
                self._move(draft.row, place)
        cache = self._cache if single else self._copied([draft.row.number for draft in active])
        logits = torch.stack([draft.row.logits for draft in active])  # (B, V)
        seen = torch.zeros_like(logits, dtype=torch.bool)  # (B, V)
        for place, draft in enumerate(drafts):
            seen[place, draft.row.prompt_ids] = True
        while True:
            tokens = self._next_tokens(active, logits, seen)
            for place in reversed(range(len(active))):
                if active[place].finish is not None:
                    last = len(active) - 1
                    if single:
                        self._move(active[last].row, place)
                    else:
                        cache.drop(place)
                    active[place], tokens[place] = active[last], tokens[last]
                    seen[place] = seen[last]
                    active.pop()
                    tokens.pop()
            if not active:
                break
            seen = seen[: len(active)]
            seen[torch.arange(len(active)), tokens] = True
            logits = cache.append(self._model, range(len(active)), [[token] for token in tokens])
        for draft in drafts if single else ():
            self._cache.lengths[draft.row.number] = len(draft.row.prompt_ids)
        return [self._finished(draft) for draft in drafts]

    def _move(self, row: _Row, place: int) -> None:
        """Exchange a row of the cache with the one at a place."""
        other, left = self._places[place], row.number
        self._cache.exchange(left, place)
        self._places[place], self._places[left] = row, other
        row.number, other.number = place, left

    def _copied(self, rows: Sequence[int]) -> RaggedCache:
        """Return a copy of rows, which may repeat, to decode drafts in."""
        if self._device.type != "cpu":
            # allocators of other devices find room for it again
            self._copies = RaggedCache(len(self._cache.layers))
        shared = shares_prompts(self._model, rows)
        copied = sorted(set(rows)) if shared else rows
        self._copies.copy_rows(self._cache, copied)
        return DraftCache(self._copies, [copied.index(r) for r in rows]) if shared else self._copies

    def reset(self) -> None:
        self._cache = RaggedCache(len(self._cache.layers))
        self._copies = RaggedCache(len(self._cache.layers))
        self._rows.clear()
        self._places.clear()

    close = reset

    def _begin(self, request: DraftRequest) -> _Writing:
        grammar = None
        if request.grammar is not None:
            if self._grammars is None:
                stops = sorted(self._stop_ids)
                self._grammars = GrammarCompiler(self._tokenizer, self._vocabulary, stops)
            grammar = self._grammars.start(request.grammar)
        row, most = self._rows[request.chain], request.max_tokens
        if self._window is not None:
            most = min(most, self._window - len(row.prompt_ids))
        return _Writing(request, row, random.Random(request.key), grammar, most)

    def _next_tokens(self, drafts: list[_Writing], logits: Tensor, seen: Tensor) -> list[int]:
        """Sample one token for each draft, and set `finish` for drafts that end with it."""
        settings = self._settings
        masks = [None if d.grammar is None else d.grammar.allowed() for d in drafts]
        uniform = [draft.rng.random() for draft in drafts]
        chosen, chosen_logprobs = choose_tokens(
            logits,
            seen,
            None if all(mask is None for mask in masks) else stack_allowed(masks, self._device),
            torch.tensor(uniform, dtype=logits.dtype, device=logits.device),
            temperature=settings.temperature,
            top_k=settings.top_k,
            top_p=settings.top_p,
            repetition_penalty=settings.repetition_penalty,
        )
        ids, logprobs = chosen.tolist(), chosen_logprobs.tolist()
        for draft, mask, token, logprob in zip(drafts, masks, ids, logprobs, strict=True):
            if draft.grammar is not None and (mask is None or not draft.grammar.advance(token)):
                draft.finish = "grammar"
                continue
            draft.ids.append(token)
            draft.logprobs.append(logprob)
            if token in self._stop_ids or self._ends_line(draft):
                draft.finish = "stop"
            elif len(draft.ids) >= draft.most:
                draft.finish = "length"
        return list(ids)

    def _ends_line(self, draft: _Writing) -> bool:
        ends = draft.request.one_line and "\n" in self._text(draft.ids[-1:])
        return ends and "\n" in self._text(draft.ids).lstrip()

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _finished(self, draft: _Writing) -> Draft:
        assert draft.finish is not None
        ids = draft.ids
        stopped = bool(ids) and ids[-1] in self._stop_ids
        text, pieces = self._text(ids[:-1] if stopped else ids), [""] * len(ids)
        if draft.request.one_line:
            text = text.strip("\r\n").split("\n")[0]
        else:
            pieces = [self._text([token]) for token in ids]
        logprobs = line_logprobs(pieces, draft.logprobs, text.count("\n") + 1)
        return Draft(text, draft.finish, len(ids), tuple(logprobs))


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """Return the number of common leading segments, without the cue, which is always read again."""
    pairs = zip(old, new[:-1], strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(old), len(new) - 1))
