"""Reads sentences with a language model, for the likelihood of every label.

The prompt's prefix is read once and cached as keys and values. A sentence needs one more pass: over
its own tokens, followed by all answers as a prefix tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from relgen.common import DType
from relgen.data import RelationSchema, Sample
from relgen.evaluation.direct.answers import AnswerTrie, build_trie
from relgen.evaluation.direct.prompt import DirectPrompt
from relgen.generation import check_cacheable, check_fits, context_window
from relgen.kernels import accelerate
from relgen.models import load_language_model, load_tokenizer
from relgen.prompting import encode, prompt_format


class QuestionBatch(NamedTuple):
    """B questions of at most Q tokens after a prefix of P, each followed by I tokens of the trie.

    The last token of an answer is predicted but not read.

    Args:
        ids: (B, Q + I): a question, padding, the trie.
        positions: (B, Q + I), not counting padding.
        mask: (B, 1, Q + I, P + Q + I), True where a token sees a key.
        predictors: (B, M): columns whose states predict the trie's tokens.
        places: (N,): index of the predictor, below M, of each token of the trie.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    predictors: Tensor
    places: Tensor


def lay_out(questions: Sequence[Sequence[int]], trie: AnswerTrie, prefix: int) -> QuestionBatch:
    """Lay out B questions (none empty), a trie of N tokens and a prefix of P for one pass."""
    lengths = torch.tensor([len(question) for question in questions])  # (B,)
    # siblings are predicted by the same state: the head runs once for each parent
    parents, places = torch.unique(trie.parents, return_inverse=True)  # (M,), (N,)
    inner = parents[parents >= 0]  # (I,)
    size, width = len(questions), int(lengths.max())
    ids = torch.zeros(size, width + len(inner), dtype=torch.long)
    for row, question in enumerate(questions):
        ids[row, : len(question)] = torch.tensor(question)
    ids[:, width:] = trie.ids[inner]
    columns = torch.arange(width)
    positions = torch.cat(
        [columns.expand(size, -1), lengths[:, None] + trie.depths[inner].expand(size, -1)], dim=1
    )
    seen = torch.zeros(size, width + len(inner), prefix + width + len(inner)).bool()
    seen[:, :, :prefix] = True
    # padding sees the tokens before it: softmax over nothing would give NaN
    seen[:, :width, prefix : prefix + width] = columns[None, :] <= columns[:, None]
    seen[:, width:, prefix : prefix + width] = (columns < lengths[:, None])[:, None, :]
    seen[:, width:, prefix + width :] = trie.visible()[inner][:, inner]
    # parents are sorted: -1 (the question's last token), then the inner tokens
    after = width + torch.arange(len(inner)).expand(size, -1)
    predictors = torch.cat([lengths[:, None] - 1, after], dim=1)  # (B, M)
    return QuestionBatch(ids, prefix + positions, seen[:, None], predictors, places)


class DirectReader:
    """A language model (embedded name, local folder or Hub id) that names relations of sentences.

    Raises:
        InputError: the model cannot be found, or has layers without full attention.
    """

    def __init__(
        self,
        model: str,
        schema: RelationSchema,
        demonstrations: Sequence[Sample],
        *,
        dtype: DType = "float32",
        device: torch.device,
    ) -> None:
        self.tokenizer = load_tokenizer(model)
        loaded: Any = load_language_model(model, dtype=dtype, device=device)
        check_cacheable(loaded.config)
        self.model: Any = loaded.to(device).eval()
        accelerate(self.model, for_="generation")
        self.prompt = DirectPrompt(prompt_format(self.tokenizer), schema, tuple(demonstrations))
        self.prefix = encode(self.tokenizer, self.prompt.prefix)
        self.trie = build_trie(
            [encode(self.tokenizer, self.prompt.answer(label)) for label in schema.labels]
        )
        self._cue = encode(self.tokenizer, self.prompt.cue)
        self._name = model
        self._window = context_window(loaded.config)
        self._longest = max(map(len, self.trie.paths))
        cache: Any = DynamicCache()
        ids = torch.tensor([self.prefix], device=self.model.device)
        with torch.inference_mode():
            self.model.get_decoder()(input_ids=ids, past_key_values=cache, use_cache=True)
        self._states = [(layer.keys, layer.values) for layer in cache.layers]  # (1, H, P, D) each

    def question(self, sample: Sample) -> list[int]:
        """Return the tokens of a sentence and of the cue, which follow the prefix.

        Raises:
            InputError: prefix, question and answer exceed the model's context window.
        """
        tokens = [*encode(self.tokenizer, self.prompt.question(sample)), *self._cue]
        check_fits(
            len(self.prefix) + len(tokens),
            self._longest,
            self._window,
            model=self._name,
            remedy=f"show fewer labelled samples (--shots), or shorten sentence '{sample.id}'",
        )
        return tokens

    @torch.inference_mode()
    def log_probabilities(self, samples: Sequence[Sample]) -> Tensor:
        """Return the log-probabilities of the trie's N tokens for B samples.

        Returns:
            (B, N), float32, on the CPU.
        """
        questions = [self.question(sample) for sample in samples]
        batch = lay_out(questions, self.trie, len(self.prefix))
        device = self.model.device
        # views: the pass concatenates its own keys, so these stay unchanged
        kept = [
            tuple(x.expand(len(samples), -1, -1, -1) for x in states) for states in self._states
        ]
        states = self.model.get_decoder()(
            input_ids=batch.ids.to(device),
            attention_mask=batch.mask.to(device),
            position_ids=batch.positions.to(device),
            past_key_values=DynamicCache(kept),
            use_cache=True,
        ).last_hidden_state  # (B, Q + N, D)
        rows = torch.arange(len(samples), device=device)[:, None]
        head = self.model.get_output_embeddings()
        logits = head(states[rows, batch.predictors.to(device)]).float()  # (B, M, V)
        places, ids = batch.places.to(device), self.trie.ids.to(device)
        result: Tensor = logits[:, places, ids] - logits.logsumexp(-1)[:, places]
        return result.cpu()
