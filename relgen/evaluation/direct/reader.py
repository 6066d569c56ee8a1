"""Reads sentences with a language model, for the likelihood of every label.

The prompt's prefix is read once and cached as keys and values. A sentence needs one more pass: over
its own tokens, followed by all answers as a prefix tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from relgen.common import ReadingDType
from relgen.data import RelationSchema, Sample
from relgen.evaluation.direct.answers import build_trie
from relgen.evaluation.direct.prompt import BATCH, DirectPrompt
from relgen.kernels import accelerate, window_options
from relgen.models import (
    ModelMemory,
    check_architecture,
    check_fits,
    context_window,
    lay_out_trees,
    load_language_model,
    load_tokenizer,
    logits_at,
    random_texts,
)
from relgen.prompting import encode, prompt_format

_SENTENCE_TOKENS = 64
"""Length of a sentence in estimates of memory."""


class DirectReader:
    """A language model (embedded name, folder or Hub id) that names relations of sentences."""

    def __init__(
        self,
        model: str,
        schema: RelationSchema,
        demonstrations: Sequence[Sample],
        *,
        dtype: ReadingDType = "float32",
        device: torch.device,
    ) -> None:
        self.tokenizer = load_tokenizer(model)
        self.prompt = DirectPrompt(prompt_format(self.tokenizer), schema, tuple(demonstrations))
        self.prefix = encode(self.tokenizer, self.prompt.prefix)
        self.trie = build_trie(
            [encode(self.tokenizer, self.prompt.answer(label)) for label in schema.labels]
        )
        self._cue = encode(self.tokenizer, self.prompt.cue)
        self._name = model
        self._longest = max(map(len, self.trie.paths))
        # siblings are predicted by the same state: the head runs once for each parent. Parents are
        # sorted: -1 stands for the question's last token, and the last of an answer is not read
        parents, self._predictors = torch.unique(self.trie.parents, return_inverse=True)  # M, N
        self._inner = self.trie.ids[parents[1:]].tolist()
        self._above = self._predictors[parents[1:]]  # (M - 1,)
        check_architecture(model, "direct classification", direct_difference)
        loaded: Any = load_language_model(
            model, dtype=dtype, device=device, working=self._working_bytes
        )
        self.model: Any = loaded.to(device).eval()
        accelerate(self.model, for_="generation", int8=dtype == "int8")
        self._window = context_window(loaded.config)
        self._check_fits(len(self.prefix), "the labelled samples shown")
        self._states = _read_prefix(self.model, self.prefix)

    def _working_bytes(self, memory: ModelMemory) -> int:
        """Return what a batch takes beside the weights."""
        tokens = _SENTENCE_TOKENS + len(self._cue) + len(self._inner)
        cached = (len(self.prefix) + tokens) * memory.cached
        logits = (len(self._inner) + 1) * memory.logits
        return BATCH * (tokens * memory.activations + cached + logits)

    def question(self, sample: Sample) -> list[int]:
        """Return the tokens of a sentence and of the cue; raise InputError if they do not fit."""
        tokens = [*encode(self.tokenizer, self.prompt.question(sample)), *self._cue]
        self._check_fits(len(self.prefix) + len(tokens), f"sentence '{sample.id}'")
        return tokens

    def _check_fits(self, tokens: int, long: str) -> None:
        remedy = f"show fewer labelled samples (--shots), shorten {long}, or use another model"
        check_fits(tokens, self._longest, self._window, model=self._name, remedy=remedy)

    @torch.inference_mode()
    def log_probabilities(self, samples: Sequence[Sample]) -> Tensor:
        """Return the log-probabilities of the trie's N tokens for B samples, (B, N), on the CPU."""
        questions = [self.question(sample) for sample in samples]
        last = [len(question) - 1 for question in questions]
        trees = [
            ([*question, *self._inner], [*range(-1, end), *(self._above + end).tolist()])
            for question, end in zip(questions, last, strict=True)
        ]
        columns = torch.tensor(last)[:, None] + torch.arange(len(self._inner) + 1)  # (B, M)
        logits = _tree_logits(self.model, self._states, trees, columns)
        device = self.model.device
        predictors, answers = self._predictors.to(device), self.trie.ids.to(device)
        rows = []
        for row in logits:  # in float32 one at a time: a vocabulary for each of M tokens is large
            row = row.float()  # (M, V)
            rows.append(row[predictors, answers] - row.logsumexp(-1)[predictors])
        return torch.stack(rows).cpu()


def _read_prefix(model: Any, ids: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Return the keys and values of a prefix of P tokens in each layer, (1, H, P, D)."""
    cache: Any = DynamicCache()
    row = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        model.get_decoder()(input_ids=row, past_key_values=cache, use_cache=True)
    return [(layer.keys, layer.values) for layer in cache.layers]


def _tree_logits(
    model: Any,
    prefix: Sequence[tuple[Tensor, Tensor]],
    trees: Sequence[tuple[Sequence[int], Sequence[int]]],
    columns: Tensor,
) -> Tensor:
    """Return the logits at M columns of B trees after a prefix, (B, M, V)."""
    device, length = model.device, prefix[0][0].shape[2]
    ids, positions, mask = (part.to(device) for part in lay_out_trees(trees, length))
    # views: the pass concatenates its own keys, so these stay unchanged
    kept = [tuple(x.expand(len(trees), -1, -1, -1) for x in states) for states in prefix]
    before = torch.arange(length, device=device).expand(len(trees), -1)
    return logits_at(
        model,
        columns.to(device),
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=DynamicCache(kept),
        use_cache=True,
        **window_options(model.config, positions, torch.cat([before, positions], dim=1)),
    )


def direct_difference(model: Any) -> Tensor:
    """Return how much the logits of answers differ from those of plain texts, (2, V).

    For `relgen.models.check_architecture`.
    """
    prefix, question, first, second = random_texts(4, 8, 8, 2, 6)
    fork, tree = len(question), [*question, *first, *second]
    parents = list(range(-1, len(tree) - 1))
    parents[fork + len(first)] = fork - 1
    columns = torch.tensor([[fork + len(first) - 1, len(tree) - 1]])
    texts = [[*prefix, *question, *answer] for answer in (first, second)]
    plain = [model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1] for ids in texts]
    packed = _tree_logits(model, _read_prefix(model, prefix), [(tree, parents)], columns)[0]
    return packed - torch.stack(plain)
