"""The head runs at chosen tokens only."""

from __future__ import annotations

import torch

from relgen.models.logits import logits_at
from tests import tiny


@torch.inference_mode()
def test_logits_are_those_of_the_whole_text() -> None:
    model = tiny.language_model("gemma2", attention="eager")  # which caps its logits
    ids, places = torch.arange(10).view(2, 5), torch.tensor([[0, 4, 2], [3, 3, 1]])
    heads: list[int] = []
    model.lm_head.register_forward_hook(lambda head, given, found: heads.append(found.shape[1]))
    found = logits_at(model, places, input_ids=ids)
    whole = model(input_ids=ids).logits
    assert heads == [3, 5]
    assert torch.allclose(found, whole[torch.arange(2)[:, None], places], atol=1e-6)
