"""Reads samples with a frozen language model: its hidden states at a few tokens and layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from relgen.classifiers.batching import token_batches
from relgen.errors import InputError
from relgen.labelling.views import SLOTS, View, views
from relgen.language_model import DType, load_language_model, load_tokenizer
from relgen.samples import Sample

# shares of the model's depth. The middle layers know most about relations, the last ones about the
# next word.
DEPTHS = (0.5, 0.6, 0.7, 0.77, 0.83)
_TOKENS_A_BATCH = 1024


class StateReader:
    """A language model that reads and does not write.

    Args:
        model: embedded name, local folder or Hub id.
        dtype: of the weights.
        device: where it runs.

    Raises:
        InputError: the model cannot be found, or its tokenizer cannot tell where a token stands.
    """

    def __init__(self, model: str, *, dtype: DType = "float32", device: torch.device) -> None:
        self.tokenizer = load_tokenizer(model)
        if not self.tokenizer.is_fast:
            raise InputError(
                "labelling needs a tokenizer that knows where its tokens stand in the text",
                field="model",
                value=model,
                remedy="choose a model with a fast tokenizer",
            )
        loaded: Any = load_language_model(model, dtype=dtype, device=device)
        self.model: Any = loaded.to(device).eval()
        config = self.model.config.get_text_config()
        self.layers = sorted({max(1, round(x * config.num_hidden_layers)) for x in DEPTHS})
        self.width = int(config.hidden_size)

    @torch.inference_mode()
    def read(self, samples: Sequence[Sample]) -> Tensor:
        """The states of N samples: (N, 4, L, H), float32, on the CPU.

        Four slots (see `views`), L layers, H the model's width. Texts of similar length share a
        batch; what a sample's states are does not depend on the others but for rounding.
        """
        states = torch.empty(len(samples), SLOTS, len(self.layers), self.width)
        rows: list[tuple[list[int], list[tuple[int, int, int]]]] = []
        for number, sample in enumerate(samples):
            slot = 0
            for view in views(sample):
                ids, places = self._tokens(view)
                rows.append((ids, [(number, slot + i, at) for i, at in enumerate(places)]))
                slot += len(places)
        for batch in token_batches([len(ids) for ids, _ in rows], _TOKENS_A_BATCH):
            hidden = self._forward([rows[row][0] for row in batch])  # L times (B, T, H)
            for place, row in enumerate(batch):
                for number, slot, at in rows[row][1]:
                    taken = torch.stack([layer[place, at] for layer in hidden])  # (L, H)
                    states[number, slot] = taken.float().cpu()
        return states

    def _tokens(self, view: View) -> tuple[list[int], list[int]]:
        """A text's ids, and the last token that begins before each of the view's ends."""
        encoded = self.tokenizer(
            view.text, return_offsets_mapping=True, split_special_tokens=True, verbose=False
        )
        offsets = encoded["offset_mapping"]
        places = [
            max(i for i, (start, stop) in enumerate(offsets) if start < min(end, stop))
            for end in view.ends
        ]
        return list(encoded["input_ids"]), places

    def _forward(self, rows: Sequence[list[int]]) -> list[Tensor]:
        length = max(map(len, rows))
        device = self.model.device
        # padded on the right: no token of a row sees its padding
        ids = torch.tensor([[*row, *[0] * (length - len(row))] for row in rows], device=device)
        mask = torch.tensor(
            [[1] * len(row) + [0] * (length - len(row)) for row in rows], device=device
        )
        output = self.model.get_decoder()(
            input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False
        )
        return [output.hidden_states[layer] for layer in self.layers]
