"""FSDP with two gloo processes on the CPU: the arithmetic and the files of one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed
from safetensors.torch import load_file
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

from lightning_modules.utils.sharding import shard
from relgen.common.errors import InputError
from relgen.kernels import ATTENTION
from relgen.models.causal_lm import load_language_model
from relgen.models.lora import add_lora, load_adapter
from tests import tiny
from tests.lightning_modules.two_processes import TWO, run
from tests.lightning_modules.utils.test_distributed import RATE, adapter, by_hand, fit, folder

__all__ = ["folder"]  # the fixture
SHARDED = ("-c", "trainer/fsdp", *TWO[2:])
MODEL = "--model.init_args."
# the norms compute in float32 even here, and Adam makes steps of RATE of the smallest gradients:
# kernels of one machine agree to 1e-6 over three epochs, those of another to 1e-5
CLOSE = 1e-4


@pytest.fixture
def mesh() -> Iterator[DeviceMesh]:
    """A group of this one process."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=store)
    yield init_device_mesh("cpu", (1,), mesh_dim_names=("data_parallel",))
    torch.distributed.destroy_process_group()


@pytest.mark.processes
@pytest.mark.slow
def test_a_run_changes_between_sharded_and_whole_and_back(folder: Path) -> None:
    """Three epochs: FSDP, DDP and FSDP again, each from the other's checkpoint."""
    adam = (f"{MODEL}optimizer=torch.optim.Adam", f"{MODEL}optimizer.lr={RATE}")
    same = (f"{MODEL}dtype=float64", *adam, f"{MODEL}sample_every_n_steps=1")
    same += ("--trainer.gradient_clip_val", "0.5")
    for epochs, devices in enumerate((SHARDED, TWO, SHARDED), start=1):
        go_on = () if epochs == 1 else ("--ckpt_path", "last")
        options = (*devices, *same, "--trainer.max_epochs", str(epochs), *go_on)
        run(folder, *fit(folder, "two", *options))
    expected, _ = by_hand(folder, 3, torch.optim.Adam, clip=0.5)
    found = adapter(folder / "two")
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert torch.allclose(found[key], values, atol=CLOSE, rtol=0), key
    saved = load_file(folder / "two/adapter/adapter_model.safetensors")
    assert sum(weight.numel() for weight in saved.values()) == sum(map(torch.numel, found.values()))
    policy = load_adapter(load_language_model(str(folder / "base")), folder / "two/adapter")
    weights = dict(policy.named_parameters())
    for key, values in expected.items():
        loaded = weights[key.removeprefix("policy.")].double()
        assert torch.allclose(loaded, values, atol=CLOSE, rtol=0), key


@pytest.mark.processes
@pytest.mark.slow
def test_a_base_in_bfloat16_with_validation_and_recomputed_activations(folder: Path) -> None:
    options = (*SHARDED, "--data.validation_chains", str(folder / "chains.jsonl"))
    said = run(folder, *fit(folder, "half", *options, "--trainer.max_epochs", "1"))
    assert "dpo fit: done" in said
    assert all(weight.dtype == torch.float32 for weight in adapter(folder / "half").values())


def test_layers_are_shared_out_and_the_head_is_not(mesh: DeviceMesh) -> None:
    policy = add_lora(tiny.language_model(attention=ATTENTION))
    shard(policy, mesh)
    sharded = {name for name, weight in policy.named_parameters() if isinstance(weight, DTensor)}
    whole = {name for name, _ in policy.named_parameters()} - sharded
    assert whole == {"base_model.model.model.embed_tokens.weight"}  # the head is the same tensor
    assert "base_model.model.model.norm.weight" in sharded


def test_an_adapter_outside_the_decoder_is_refused(mesh: DeviceMesh) -> None:
    policy = add_lora(tiny.language_model(), target_modules=["q_proj", "embed_tokens"])
    with pytest.raises(InputError, match="layers only"):
        shard(policy, mesh)


@pytest.mark.processes
@pytest.mark.slow
def test_four_bits_are_refused(folder: Path) -> None:
    said = run(folder, *fit(folder, "four", *SHARDED, f"{MODEL}quantization=nf4"), code=2)
    assert "4-bit weights cannot be sharded" in said
    assert "Traceback" not in said
