"""Every shipped configuration of DPO instantiates, with its overlays, without loading anything."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch.cli import LightningCLI

from datamodules.preferences import PreferenceDataModule
from lightning_modules.dpo import DPOModule
from relgen.dpo.preference_pairs import write_chains
from tests import tiny

CONFIGS = Path(__file__).parents[2] / "configs"
CPU = {"trainer.accelerator": "cpu"}
PRESETS = sorted((CONFIGS / "dpo").glob("*.yaml"))


def instantiate(*configs: Path, **values: str) -> LightningCLI:
    arguments = [part for path in configs for part in ("-c", str(path))]
    arguments += ["--data.chains", "chains.jsonl", "--data.schema", "semeval"]
    arguments += [part for key, value in values.items() for part in (f"--{key}", value)]
    return LightningCLI(
        run=False,
        args=arguments,
        save_config_callback=None,
        auto_configure_optimizers=False,
    )


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_preset_instantiates(path):
    cli = instantiate(path, **CPU)
    assert isinstance(cli.model, DPOModule)
    assert isinstance(cli.datamodule, PreferenceDataModule)
    assert cli.model.model == cli.datamodule.model
    assert list(cli.model.parameters()) == []


def test_the_paper_s_settings():
    bitsandbytes = pytest.importorskip("bitsandbytes")
    cli = instantiate(CONFIGS / "dpo/llama2_7b.yaml", **CPU)
    optimizer = cli.model.optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert isinstance(optimizer, bitsandbytes.optim.PagedAdamW)
    assert optimizer.defaults["lr"] == 5e-5
    assert cli.trainer.max_epochs == 20
    assert cli.datamodule.max_length == 1024
    assert cli.model.quantization == "nf4"


FAMILIES = {"llama2_7b": "llama", "llama3_1_8b": "llama", "qwen3_8b": "qwen3"}


def test_large_presets_differ_in_their_model_only():
    """A change of one is a change of all."""
    contents = {}
    for name in FAMILIES:
        content = yaml.safe_load((CONFIGS / f"dpo/{name}.yaml").read_text())
        del content["model"]["init_args"]["model"], content["data"]["init_args"]["model"]
        contents[name] = content
    assert all(content == contents["llama2_7b"] for content in contents.values())


@pytest.mark.parametrize(("preset", "family"), FAMILIES.items())
def test_large_presets_take_a_step_with_a_small_model_of_their_kind(preset, family, tmp_path):
    pytest.importorskip("bitsandbytes")
    base = tiny.save_model(tmp_path / "base", family)
    write_chains(tmp_path / "chains.jsonl", [tiny.chain(2)])
    tiny.SCHEMA.save(tmp_path / "schema.yaml")
    cli = instantiate(
        CONFIGS / f"dpo/{preset}.yaml",
        **CPU,
        **{
            "model.model": base,
            "data.model": base,
            "data.chains": str(tmp_path / "chains.jsonl"),
            "data.schema": str(tmp_path / "schema.yaml"),
            # the paged optimiser is for GPUs
            "model.optimizer": "torch.optim.AdamW",
            "model.sample_every_n_steps": "0",
            "trainer.max_steps": "1",
            "trainer.default_root_dir": str(tmp_path / "out"),
            "trainer.logger": "false",
        },
    )
    cli.trainer.fit(cli.model, cli.datamodule)
    kinds = {type(module).__name__ for module in cli.model.policy.modules()}
    assert "Linear4bit" in kinds
    assert {"llama": "LlamaAttention", "qwen3": "Qwen3Attention"}[family] in kinds
    assert cli.trainer.global_step == 1
    # the first pair's loss, before any step: policy and reference are the same
    assert float(cli.trainer.callback_metrics["loss"]) == pytest.approx(math.log(2), rel=1e-3)


@pytest.mark.parametrize("overlay", ["cpu", "qlora", "ddp", "fsdp"])
def test_overlays_leave_the_rest_as_it_is(overlay):
    cli = instantiate(CONFIGS / "dpo/smollm2.yaml", CONFIGS / f"trainer/{overlay}.yaml")
    assert cli.model.quantization == ("nf4" if overlay == "qlora" else None)
    assert cli.model.lora_rank == 16
    assert cli.trainer.max_epochs == 2
    (group,) = cli.model.optimizer([torch.nn.Parameter(torch.zeros(1))]).param_groups
    assert (group["lr"], group["weight_decay"]) == (1e-3, 0.0)
    if overlay in ("ddp", "fsdp"):
        assert cli.trainer.strategy._timeout == timedelta(minutes=10)


def test_sharding_takes_the_place_of_quantisation_and_its_optimiser():
    cli = instantiate(CONFIGS / "dpo/llama3_1_8b.yaml", CONFIGS / "trainer/fsdp.yaml", **CPU)
    assert cli.model.quantization is None
    assert cli.model.dtype_name == "bfloat16"
    optimizer = cli.model.optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert type(optimizer) is torch.optim.AdamW
    assert optimizer.param_groups[0]["lr"] == 5e-5


def test_defaults_of_the_class_agree_with_what_it_documents():
    module = DPOModule(optimizer=partial(torch.optim.AdamW, lr=1e-4))
    assert (module.loss.beta, module.loss.name) == (0.1, "sigmoid")
