"""The narrowed last layer against the whole one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel

from relgen.kernels.last_layer import NarrowLayer, narrow, read_states
from tests.tiny.encoders import save_encoder

pytestmark = pytest.mark.compute

IDS = torch.tensor([[5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
PLACES = torch.tensor([[1, 4], [3, 0]])


def whole(encoder: Any, mask: Tensor) -> Tensor:
    states = encoder(input_ids=IDS, attention_mask=mask).last_hidden_state
    return states[torch.arange(2)[:, None], PLACES]


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("mask", [MASK, torch.ones_like(MASK)], ids=["padded", "full"])
def test_states_and_gradients_are_those_of_the_whole_layer(
    tmp_path: Path, family: str, attention: str, mask: Tensor
) -> None:
    folder = save_encoder(tmp_path, family=family)
    plain = AutoModel.from_pretrained(
        folder, attn_implementation=attention, add_pooling_layer=False
    )
    plain = plain.double().eval()
    narrowed = copy.deepcopy(plain)
    assert narrow(narrowed)
    assert list(narrowed.state_dict()) == list(plain.state_dict())
    expected, found = whole(plain, mask), read_states(narrowed, IDS, mask, PLACES)
    torch.testing.assert_close(found, expected)
    # without places all tokens are computed
    torch.testing.assert_close(whole(narrowed, mask), expected)
    for result in (expected, found):
        result.square().sum().backward()
    for (name, ours), theirs in zip(narrowed.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=lambda text, n=name: f"{n}: {text}")


def test_fewer_tokens_go_through_the_last_layer(tmp_path: Path) -> None:
    encoder = AutoModel.from_pretrained(save_encoder(tmp_path), add_pooling_layer=False).eval()
    narrow(encoder)
    seen: list[tuple[int, ...]] = []
    encoder.encoder.layer[-1].intermediate.register_forward_hook(
        lambda layer, inputs, output: seen.append(tuple(inputs[0].shape[:2]))
    )
    read_states(encoder, IDS, MASK, PLACES)
    assert seen == [(2, 2)]


# RoFormer's and XLM-RoBERTa-XL's layers have BERT's parts, and compute something else
@pytest.mark.parametrize("family", ["distilbert", "roformer", "xlm-roberta-xl"])
def test_other_architectures_are_read_whole(family: str) -> None:
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2}
    config = AutoConfig.for_model(family, vocab_size=20, num_attention_heads=2, **sizes)
    encoder = AutoModel.from_config(config).eval()
    assert not narrow(encoder)
    assert not any(isinstance(module, NarrowLayer) for module in encoder.modules())
    torch.testing.assert_close(read_states(encoder, IDS, MASK, PLACES), whole(encoder, MASK))
