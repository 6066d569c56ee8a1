"""The estimate against what torch's allocator hands out in the real step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from lightning_modules.dpo import DPOModule
from relgen.cli import main as cli
from relgen.dpo.preference_pairs import write_chains
from relgen.dpo.prefix_tree import TreeBatch, pack
from relgen.kernels.onednn_linear import prefers_onednn
from tests import tiny

MANNERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bfloat16": {"dtype": "bfloat16"},
    "recomputed": {"gradient_checkpointing": True},
    "nf4": {"quantization": "nf4", "dtype": "bfloat16"},
    "nf4 recomputed": {"quantization": "nf4", "gradient_checkpointing": True},
    "dense": {"attention": "dense"},
    "by parts": {"branch_tokens": 40},
    "nf4 by parts": {"quantization": "nf4", "dtype": "bfloat16", "branch_tokens": 40},
    "recomputed by parts": {"gradient_checkpointing": True, "branch_tokens": 40},
}


def peak_of(module: DPOModule, batch: TreeBatch) -> int:
    """Bytes that the allocator had handed out at most during a step, beyond those before it.

    On one thread: the CPU's attention kernel takes a buffer for each, which the estimate leaves out
    (58 kB a thread where a step of this small model takes 1.4 MB).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _peak_of(module, batch)
    finally:
        torch.set_num_threads(threads)


def _peak_of(module: DPOModule, batch: TreeBatch) -> int:
    module.model_step(batch).loss.backward()  # what is made once
    module.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        module.model_step(batch).loss.backward()
    events = [e for e in found.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


def check(estimated: DPOModule, real: DPOModule, batch: TreeBatch) -> None:
    estimate = estimated.estimate_memory(batch)
    real.configure_model()
    real.train()
    frozen = [p for p in real.parameters() if not p.requires_grad]
    trained = [p for p in real.parameters() if p.requires_grad]
    assert estimate.weights == pytest.approx(stored(frozen), rel=0.02)
    assert estimate.adapter == stored(trained)
    assert estimate.activations == pytest.approx(peak_of(real, batch), rel=0.05)
    optimizer: Any = real.optimizer(trained)
    for weight in trained:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    states = [v for values in optimizer.state.values() for v in values.values()]
    assert estimate.optimizer == stored(states)
    assert estimate.tokens == batch.tokens


def stored(tensors: list[torch.Tensor]) -> int:
    """Bytes, with the scales of 4-bit weights."""
    total = 0
    for tensor in tensors:
        total += tensor.numel() * tensor.element_size()
        if state := getattr(tensor, "quant_state", None):
            total += state.absmax.numel() * state.absmax.element_size()
            if state.nested:
                total += 4 * state.state2.absmax.numel()
    return total


@pytest.fixture
def _torchs_products(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """oneDNN's buffers, which the estimate leaves out, would count beside a small model."""
    monkeypatch.setenv("RELGEN_PRODUCTS", "torch")
    prefers_onednn.cache_clear()
    yield
    prefers_onednn.cache_clear()


@pytest.mark.usefixtures("_torchs_products")
@pytest.mark.parametrize("manner", MANNERS)
def test_a_step_of_a_small_model(tmp_path: Path, manner: str) -> None:
    options = {"lora_rank": 4, "keep_reference": False, **MANNERS[manner]}
    make = partial(DPOModule, model=tiny.save_model(tmp_path / "base"), **options)
    check(make(), make(), pack([tiny.chain_tokens(6), tiny.chain_tokens(5, seed=1)]))


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("manner", ["plain", "nf4 recomputed"])
def test_a_step_of_the_embedded_model(manner: str) -> None:
    make = partial(DPOModule, keep_reference=False, **MANNERS[manner])
    check(make(), make(), pack([tiny.chain_tokens(8)]))


def test_the_command_loads_no_weights_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.chdir(tmp_path)
    base = Path(tiny.save_model(tmp_path / "base"))
    (base / "model.safetensors").unlink()
    chains = [tiny.chain(pairs, name=f"c{pairs}") for pairs in (1, 4)]
    write_chains(tmp_path / "chains.jsonl", chains)
    tiny.SCHEMA.save(tmp_path / "schema.yaml")
    before = {path.name for path in tmp_path.iterdir()} | {"datasets"}
    files = ("--data.chains", "chains.jsonl", "--data.schema", "schema.yaml")
    preset = ("-c", "dpo/llama2_7b", "--model.model", str(base))
    # an epoch without end, and an optimiser that works on real devices only
    endless = ("--trainer.max_epochs", "-1", "--trainer.max_steps", "9")
    fused = ("--model.optimizer", "torch.optim.AdamW", "--model.optimizer.fused", "true")
    cli.run(["dpo", "fit", *preset, *files, *endless, *fused, "--estimate"])
    said = capsys.readouterr().out.splitlines()
    parts = ["weights", "adapter", "optimiser", "activations", "total"]
    assert [line.split()[0] for line in said[1:-2]] == parts
    assert "bf16-mixed takes less" in said[-1]
    assert {path.name for path in tmp_path.iterdir()} <= before


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--model.lora_rank", "0", "must be at least 1"),
        ("--data.token_budget", "0", "must be at least 1"),
        ("--model.beta", "-1", "beta"),
        ("--model.optimizer.lr", "-1", "Invalid learning rate"),
    ],
)
def test_values_that_cannot_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    value: str,
    said: str,
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    base = tiny.save_model(tmp_path / "base")
    write_chains(tmp_path / "chains.jsonl", [tiny.chain(2)])
    tiny.SCHEMA.save(tmp_path / "schema.yaml")
    command = ["dpo", "fit", "-c", "dpo/smollm2", "--model.model", base, option, value]
    command += ["--data.chains", str(tmp_path / "chains.jsonl")]
    command += ["--data.schema", str(tmp_path / "schema.yaml")]
    for last in (["--estimate"], ["--out", str(tmp_path / "out")]):
        assert cli.main([*command, *last]) == 2
        assert said in capsys.readouterr().err


def test_a_classifier_has_no_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = ["--data.schema", "everyday", "--data.human", "x.jsonl"]
    code = cli.main(["classifier", "fit", "-c", "classifier/entity_marker", "--estimate", *data])
    assert code == 2
    assert "only `relgen dpo fit` can be estimated" in capsys.readouterr().err
