"""Storage of the ragged cache: growth, and copies that use what is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from relgen.generation.backends.cache import RaggedCache, pages_of_zeros
from tests import tiny

pytestmark = pytest.mark.compute

MODEL = tiny.writing_model(50)


@torch.inference_mode()
def filled(lengths: list[int]) -> RaggedCache:
    cache = RaggedCache(2)
    for row, length in enumerate(lengths):
        cache.append(MODEL, [row], [[(row + i) % 50 for i in range(length)]])
    return cache


@torch.inference_mode()
def next_logits(cache: RaggedCache) -> Tensor:
    rows = range(len(cache.lengths))
    return cache.append(MODEL, rows, [[7] for _ in rows])


def pointers(cache: RaggedCache) -> list[int]:
    return [states.data_ptr() for layer in cache.ragged for states in layer.held()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_growing_keeps_what_was_written(dtype: torch.dtype) -> None:
    cache = RaggedCache(1)
    (layer,) = cache.ragged
    states = torch.randn(2, 3, 5, 4).to(dtype)
    layer.lazy_initialization(states, states)
    layer.grow(2, 5)
    assert layer.keys is not None
    layer.keys[:, :, :5] = states
    layer.grow(4, 300)
    assert layer.keys.shape[0] == 4
    assert layer.keys.shape[2] >= 300
    assert layer.keys.dtype == dtype
    assert torch.equal(layer.keys[:2, :, :5], states)
    assert not layer.keys[2:].any()
    assert not layer.keys[:, :, 5:].any()


def test_values_may_be_of_another_width_than_keys() -> None:
    cache = RaggedCache(1)
    (layer,) = cache.ragged
    keys, values = torch.randn(2, 1, 5, 4), torch.randn(2, 3, 5, 2)
    cache.place([0, 1], [5, 5], keys.device)
    read = layer.update(keys, values)
    assert torch.equal(read[0], keys)
    assert torch.equal(read[1], values)
    copy = RaggedCache(1)
    copy.copy_rows(cache, [1])
    assert [states.shape[1::2] for states in copy.ragged[0].held()] == [(1, 4), (3, 2)]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_pages_go_back_to_the_system() -> None:
    def resident() -> int:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    size = 32 << 20
    behind: list[Tensor] = []
    before = resident()
    for _ in range(8):
        pages = pages_of_zeros(torch.ones(1), (size // 4,)).fill_(1)
        behind.append(torch.ones(64))  # in a heap, this would hold what lies before it
        assert resident() > before + size // 2
        del pages
    assert resident() < before + size // 2


def test_a_copy_reads_on_as_the_original_does() -> None:
    wanted = next_logits(filled([9, 4, 6]))[[2, 0, 2]]
    copy = RaggedCache(2)
    copy.copy_rows(filled([9, 4, 6]), [2, 0, 2])
    torch.testing.assert_close(next_logits(copy), wanted, rtol=1e-12, atol=0)


def test_a_copy_uses_the_storage_that_is_there() -> None:
    copy = RaggedCache(2)
    copy.copy_rows(filled([40, 30, 20]), [0, 1, 2])
    before = pointers(copy)
    copy.copy_rows(filled([9, 4]), [1])  # what is left of the first lies beyond its length
    assert pointers(copy) == before
    wanted = next_logits(filled([9, 4]))[1:]
    torch.testing.assert_close(next_logits(copy), wanted, rtol=1e-12, atol=0)
    copy.copy_rows(filled([500]), [0])
    assert pointers(copy) != before
    torch.testing.assert_close(next_logits(copy), next_logits(filled([500])), rtol=1e-12, atol=0)
