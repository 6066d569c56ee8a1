"""Sentence vectors of length one, by mean pooling over any transformers encoder.

Prefixes that some encoders expect before a sentence are not supported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModel, PreTrainedModel

from relgen.common import InputError, counted, tracked
from relgen.kernels import accelerate
from relgen.models.causal_lm import load_tokenizer, resolve_model
from relgen.models.devices import find_device
from relgen.models.load_errors import loading
from relgen.models.names import EMBEDDED_ENCODER
from relgen.models.window import longest_input

_BATCH, _MAX_TOKENS = 32, 256
_BATCHES_WORTH_A_BAR = 50


def mean_pool(states: Tensor, mask: Tensor) -> Tensor:
    """Average the states (B, T, d) of the tokens where the mask (B, T) is 1: (B, d)."""
    weights = mask.unsqueeze(-1).to(states.dtype)  # (B, T, 1)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def load_encoder(name: str, attention: str | None = None) -> PreTrainedModel:
    """Load an encoder (embedded name, local folder or Hub id) in float32.

    Raises InputError if it cannot be found, or its files lack weights other than the pooler's.
    """
    options = {} if attention is None else {"attn_implementation": attention}
    with loading(name):
        loaded: Any = AutoModel.from_pretrained(
            resolve_model(name),
            dtype=torch.float32,
            output_loading_info=True,
            trust_remote_code=False,
            **options,
        )
    model, report = loaded
    if missing := sorted(key for key in report["missing_keys"] if "pooler" not in key):
        raise InputError(
            f"its files lack {counted(len(missing), 'weight')}, such as {missing[0]}",
            field="model",
            value=name,
            remedy=f"use another encoder, such as {EMBEDDED_ENCODER}",
        )
    return cast(PreTrainedModel, model)


class SentenceEncoder:
    """A transformers encoder (embedded name, local folder or Hub id) with mean pooling.

    Sentences are cut after 256 tokens, or the encoder's positions if these are fewer. Raises
    InputError if the model cannot be found.
    """

    def __init__(self, name: str = EMBEDDED_ENCODER) -> None:
        self.name = name
        self.device = find_device(None)
        self.tokenizer: Any = load_tokenizer(name)
        model: Any = load_encoder(name)
        accelerate(model, for_="reading")
        self.model = model.to(self.device).eval()
        self._longest = min(_MAX_TOKENS, longest_input(model))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors of `texts`, (n, d), float32, on the CPU."""
        vectors = torch.empty(len(texts), self.model.config.hidden_size)
        # sentences of similar length share a batch: less padding
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
        worth_a_bar = len(batches) >= _BATCHES_WORTH_A_BAR
        for batch in tracked(batches, "Embedding", shown=worth_a_bar):
            tokens = self.tokenizer(
                [texts[index] for index in batch],
                padding=True,
                truncation=True,
                max_length=self._longest,
                return_tensors="pt",
            ).to(self.device)
            states = self.model(**tokens).last_hidden_state  # (B, T, d)
            pooled = mean_pool(states, tokens["attention_mask"])
            vectors[batch] = F.normalize(pooled.float(), dim=-1).cpu()
        return vectors
