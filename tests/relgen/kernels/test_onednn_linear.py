"""Products by oneDNN against torch's own, and who gets which."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relgen.kernels import onednn_linear
from relgen.kernels.acceleration import replace_modules
from relgen.kernels.onednn_linear import (
    DecodingLinear,
    FastLinear,
    decoding_linear,
    fast_linear,
    is_dense,
    linear,
    matmul,
    prefers_onednn,
)
from tests import tiny

pytestmark = pytest.mark.compute


@pytest.fixture
def calls(onednn: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """oneDNN is asked for; shapes of what it computed."""
    found: list[tuple[int, ...]] = []
    true = torch.ops.mkldnn._linear_pointwise

    class Counted:
        def __call__(self, rows: Tensor, weight: Tensor, *rest: object) -> Tensor:
            found.append((*rows.shape, weight.shape[0]))
            result: Tensor = true(rows, weight, *rest)
            return result

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", Counted())
    return found


def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3, bias=False))


@pytest.mark.parametrize("shape", [(6,), (1, 6), (4, 6), (2, 3, 6)])
def test_products_are_torchs(calls: list[tuple[int, ...]], shape: tuple[int, ...]) -> None:
    x, weight, bias = torch.randn(shape), torch.randn(5, 6), torch.randn(5)
    torch.testing.assert_close(linear(x, weight, bias), F.linear(x, weight, bias))
    torch.testing.assert_close(matmul(x, weight.T), x @ weight.T)
    assert calls == [(*shape, 5)] * 2


def test_views_are_right(calls: list[tuple[int, ...]]) -> None:
    wide = torch.randn(8, 12)
    rows, weight = wide[:, 1:6], torch.randn(7, 9)[:, 2:7]
    torch.testing.assert_close(linear(rows, weight), rows @ weight.T)
    torch.testing.assert_close(matmul(wide.T, wide), wide.T @ wide)
    assert len(calls) == 2


@pytest.mark.parametrize("shape", [(2, 3, 6), (4, 6), (6,)])
@pytest.mark.parametrize("frozen", [(), ("0.weight",), ("0.weight", "0.bias", "2.weight")])
def test_gradients_are_torchs(
    calls: list[tuple[int, ...]], frozen: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    plain = model()
    for name, weight in plain.named_parameters():
        weight.requires_grad_(name not in frozen)
    fast = copy.deepcopy(plain)
    replace_modules(fast, fast_linear)
    x = torch.randn(shape, requires_grad=True)
    for layers in (plain, fast):
        inputs = [x, *(weight for weight in layers.parameters() if weight.requires_grad)]
        found = [layers(x), *torch.autograd.grad(layers(x).square().sum(), inputs)]
        if layers is plain:
            expected = found
    torch.testing.assert_close(found, expected)
    # two forward passes of two layers; backward as many as there are gradients to compute
    assert len(calls) == 4 + 2 + sum(
        name.endswith("weight") for name in ("0.weight", "2.weight") if name not in frozen
    )
    assert isinstance(fast[0], FastLinear)
    assert fast.state_dict().keys() == plain.state_dict().keys()


def test_without_gradients_the_same_numbers_come_out(calls: list[tuple[int, ...]]) -> None:
    fast = model()
    replace_modules(fast, fast_linear)
    x = torch.randn(4, 6)
    kept = fast(x)
    with torch.no_grad():
        assert torch.equal(fast(x), kept)
    assert len(calls) == 4


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_left_to_torch(calls: list[tuple[int, ...]], dtype: torch.dtype) -> None:
    fast = model()
    replace_modules(fast, fast_linear)
    fast.to(dtype)
    assert fast(torch.randn(4, 6, dtype=dtype)).dtype == dtype
    assert calls == []


def test_autocast_and_nothing_to_compute_are_left_to_torch(calls: list[tuple[int, ...]]) -> None:
    fast = model()
    replace_modules(fast, fast_linear)
    with torch.autocast("cpu", torch.bfloat16):
        assert fast(torch.randn(4, 6)).dtype == torch.bfloat16
    assert fast(torch.empty(0, 6)).shape == (0, 3)
    assert fast.to("meta")(torch.empty(4, 6, device="meta")).shape == (4, 3)
    assert calls == []


class Special(nn.Linear):
    """Some other library's layer."""


def test_only_plain_layers_change(onednn: None) -> None:
    layers = nn.Sequential(nn.Linear(2, 2), Special(2, 2))
    replace_modules(layers, fast_linear)
    assert is_dense(layers[0])
    assert type(layers[1]) is Special
    assert not is_dense(layers[1])


@pytest.mark.parametrize(
    ("switch", "intel", "mkl", "capability", "expected"),
    [
        ("", False, True, "AVX512", True),
        ("", False, True, "AVX2", False),
        ("", True, True, "AVX512", False),
        ("", False, False, "AVX512", False),
        ("off", False, True, "AVX512", False),
        ("-linear", False, True, "AVX512", False),
        ("-norms", False, True, "AVX512", True),
    ],
)
def test_processors_for_onednn(
    processor: None,
    monkeypatch: pytest.MonkeyPatch,
    switch: str,
    intel: bool,
    mkl: bool,
    capability: str,
    expected: bool,
) -> None:
    monkeypatch.setenv("RELGEN_KERNELS", switch)
    monkeypatch.setattr(onednn_linear, "is_intel", lambda: intel)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: mkl)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert prefers_onednn() is expected
    layers = model()
    replace_modules(layers, fast_linear)
    assert (type(layers[0]) is FastLinear) is expected


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AMD processor with AVX-512; the choice, made once a process, is made again."""
    monkeypatch.setattr(onednn_linear, "is_intel", lambda: False)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    onednn_linear._gains.cache_clear()
    yield
    onednn_linear._gains.cache_clear()


def refuse(*_: object) -> Tensor:
    raise RuntimeError("unknown builtin op")


@pytest.mark.parametrize("call", ["_linear_pointwise", "_reorder_linear_weight"])
def test_a_torch_with_other_calls_computes_itself(
    processor: None, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, call, refuse)
    assert prefers_onednn() is False


def test_other_strides_than_two_are_copied(
    monkeypatch: pytest.MonkeyPatch, calls: list[tuple[int, ...]]
) -> None:
    # oneDNN computes them in plain loops
    strides: list[tuple[int, ...]] = []
    counted = torch.ops.mkldnn._linear_pointwise
    monkeypatch.setattr(
        torch.ops.mkldnn,
        "_linear_pointwise",
        lambda rows, weight, *rest: strides.append(weight.stride()) or counted(rows, weight, *rest),
    )
    heads = torch.randn(5, 3, 4)  # tokens, heads, width: one head is a matrix with gaps
    linear(torch.randn(2, 4), heads[:, 1])
    matmul(torch.randn(2, 5), heads[:, 1])
    matmul(torch.randn(2, 5), torch.randn(5, 4))
    assert strides == [(4, 1), (5, 1), (1, 4)]


@pytest.mark.parametrize("shape", [(1, 6), (4, 6), (2, 3, 6), (90, 6)])
def test_packed_layers_are_the_same(calls: list[tuple[int, ...]], shape: tuple[int, ...]) -> None:
    packed = model()
    replace_modules(packed, fast_linear)
    x = torch.randn(shape)
    with torch.inference_mode():
        wanted = packed(x)
        replace_modules(packed, decoding_linear)
        torch.testing.assert_close(packed(x), wanted)
    assert [type(layer) for layer in packed] == [DecodingLinear, nn.Tanh, DecodingLinear]
    assert len(calls) == 4


def test_layers_in_bfloat16_are_packed_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for multiplies in (False, True):
        monkeypatch.setattr(onednn_linear, "multiplies_bfloat16", lambda value=multiplies: value)
        packed = model().bfloat16()
        x = torch.randn(5, 6).bfloat16()
        with torch.inference_mode():
            wanted = packed(x)
            replace_modules(packed, decoding_linear)
            torch.testing.assert_close(packed(x), wanted)
        assert isinstance(packed[0], DecodingLinear) == (multiplies and onednn_linear._has_onednn())


def test_what_onednn_does_not_compute_is_not_packed(onednn: None) -> None:
    layers = model().double()
    replace_modules(layers, fast_linear)
    plain = nn.Sequential(nn.Linear(2, 2))
    for some in (layers, plain):
        replace_modules(some, decoding_linear)
    assert not any(isinstance(part, DecodingLinear) for part in (*layers, *plain))


def test_an_embedding_stays_beside_the_packed_head(onednn: None) -> None:
    tied = tiny.language_model("llama")
    ids = torch.arange(6)[None]
    replace_modules(tied, fast_linear)
    with torch.inference_mode():
        wanted = tied(ids).logits
        replace_modules(tied, decoding_linear)
        torch.testing.assert_close(tied(ids).logits, wanted, rtol=1e-5, atol=1e-5)
    assert isinstance(tied.get_output_embeddings(), DecodingLinear)


def test_no_layer_is_held_twice(onednn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = model()
    replace_modules(layers, fast_linear)
    first = weakref.ref(layers[0].weight)
    alive: list[bool] = []
    true = torch.ops.mkldnn._reorder_linear_weight

    def reorder(*given: object) -> Tensor:
        alive.append(first() is not None)
        result: Tensor = true(*given)
        return result

    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", reorder)
    replace_modules(layers, decoding_linear)
    assert alive == [True, False]
