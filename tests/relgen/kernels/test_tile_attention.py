"""Tiles of products against the whole rule and against row by row, in float64 and as they run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.rows import lay_out_rows, row_log_probabilities
from relgen.dpo import logps, tree_attention
from relgen.dpo.logps import tree_log_probabilities
from relgen.dpo.prefix_tree import pack
from relgen.dpo.tree_attention import TreePlan, plan_tiles
from relgen.kernels import ATTENTION, accelerate
from relgen.kernels.tile_attention import attend_tiles, can_tile
from tests import tiny
from tests.relgen.dpo.dense import dense_log_probabilities, dense_mask

pytestmark = pytest.mark.usefixtures("onednn")


@pytest.mark.parametrize(("rows", "group", "queries"), [(1, 3, 1), (21, 3, 7), (10_000, 1, 10_000)])
def test_tiles_are_the_rule(rows: int, group: int, queries: int) -> None:
    batch = pack([tiny.chain_tokens(4, seed=1), tiny.chain_tokens(3, seed=2)])
    whole = dense_mask(batch)[0, 0]
    seen = torch.zeros_like(whole)
    tiles = plan_tiles(batch, batch.whole, rows=rows, group=group)
    for tile in tiles:
        own = slice(tile.first, tile.last)
        seen[own, tile.trunk_start : tile.fork] = True
        seen[own, tile.own_start : tile.own_end] = tile.mask == 0
    assert torch.equal(seen, whole)
    assert [tile.first for tile in tiles[1:]] == [tile.last for tile in tiles[:-1]]
    assert max(tile.last - tile.first for tile in tiles) <= queries
    # with room enough, a tile for each trunk and each branch
    assert queries < 10_000 or len(tiles) == 2 + 4 + 3


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_values_and_gradients_are_those_of_the_rows(
    monkeypatch: pytest.MonkeyPatch, family: str, checkpointing: bool
) -> None:
    used: list[int] = []

    def attend(query: Tensor, *rest: object) -> Tensor:
        used.append(query.shape[2])
        return attend_tiles(query, *rest)  # type: ignore[arg-type]

    # in float64 torch computes the products: what is compared is exact
    monkeypatch.setattr(tree_attention, "can_tile", lambda query, value: True)
    monkeypatch.setattr(tree_attention, "attend_tiles", attend)
    model = tiny.language_model(family, attention=ATTENTION, dtype=torch.float64)
    model.requires_grad_(True)
    chains = [tiny.chain_tokens(pairs, seed=pairs) for pairs in (5, 1)]

    def gradients(found: Tensor) -> list[Tensor]:
        model.zero_grad()
        found.backward()
        return [weight.grad for weight in model.parameters() if weight.grad is not None]

    rows = row_log_probabilities(model, lay_out_rows(chains))
    wanted = gradients((rows.chosen - 2 * rows.rejected).sum())
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
    packed = tree_log_probabilities(model, pack(chains))
    got = gradients((packed.chosen - 2 * packed.rejected).sum())
    torch.testing.assert_close(packed, rows, rtol=1e-9, atol=0)
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-12)
    assert used
    assert all(gradient.norm() > 0 for gradient in wanted)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_in_float32_it_runs_by_itself(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    calls: list[int] = []

    def counted(query: Tensor, *rest: object) -> Tensor:
        calls.append(query.shape[1])
        return attend_tiles(query, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(tree_attention, "attend_tiles", counted)
    model = tiny.language_model(family, attention=ATTENTION).requires_grad_(True)
    accelerate(model, for_="reading")
    batch = pack([tiny.chain_tokens(6)])

    def values(log_probabilities: Any) -> list[Tensor]:
        model.zero_grad()
        found = log_probabilities(model, batch)
        (found.chosen - 2 * found.rejected).sum().backward()
        gradients = [w.grad.clone() for w in model.parameters() if w.grad is not None]
        return [found.chosen.detach(), found.rejected.detach(), *gradients]

    tree = values(tree_log_probabilities)
    assert len(calls) == model.config.num_hidden_layers
    dense = values(dense_log_probabilities)
    assert len(calls) == model.config.num_hidden_layers
    assert len(tree) > 10
    for got, wanted in zip(tree, dense, strict=True):
        assert (got - wanted).norm() <= 1e-5 * wanted.norm()


def test_a_step_under_autocast_is_left_to_torch() -> None:
    # rotary embeddings leave queries and keys in float32 there, and values in bfloat16
    model = tiny.language_model("llama", attention=ATTENTION).requires_grad_(True)
    accelerate(model, for_="reading")
    with torch.autocast("cpu", torch.bfloat16):
        found = tree_log_probabilities(model, pack([tiny.chain_tokens(3)]))
    found.chosen.sum().backward()  # as Lightning does: outside
    assert all(weight.grad is not None for weight in model.parameters())


def test_what_it_leaves_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    query = torch.zeros(1, 2, 3, 4)
    assert can_tile(query, query)
    assert not can_tile(query, query.bfloat16())
    assert not can_tile(query.bfloat16(), query.bfloat16())
    assert not can_tile(query.to("meta"), query.to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not can_tile(query, query)
    monkeypatch.setenv("RELGEN_KERNELS", "-tiles")
    assert not can_tile(query, query)


@pytest.mark.parametrize("switch", ["", "-tiles"])
def test_only_the_plan_that_is_followed_is_made(
    monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    plans: list[TreePlan] = []

    def kept(*args: Any, **options: Any) -> TreePlan:
        plans.append(TreePlan(*args, **options))
        return plans[-1]

    monkeypatch.setenv("RELGEN_KERNELS", switch)
    monkeypatch.setattr(logps, "TreePlan", kept)
    model = tiny.language_model("llama", attention=ATTENTION)
    tree_log_probabilities(model, pack([tiny.chain_tokens(2)]))
    (plan,) = plans
    assert (plan._tiles is None, plan._blocks is None) == (bool(switch), not switch)
