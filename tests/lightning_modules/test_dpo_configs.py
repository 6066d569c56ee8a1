"""Every shipped configuration of DPO instantiates, with its overlays, without loading anything."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch.cli import LightningCLI

from datamodules.preferences import PreferenceDataModule
from lightning_modules.dpo import DPOModule

CONFIGS = Path(__file__).parents[2] / "configs"
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
def test_preset_instantiates(path, monkeypatch):
    if path.stem == "llama2_7b":
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        pytest.importorskip("bitsandbytes")
        cli = instantiate(path, **{"trainer.accelerator": "cpu"})
    else:
        cli = instantiate(path)
    assert isinstance(cli.model, DPOModule)
    assert isinstance(cli.datamodule, PreferenceDataModule)
    assert cli.model.model == cli.datamodule.model
    assert list(cli.model.parameters()) == []


def test_the_paper_s_settings():
    cli = instantiate(CONFIGS / "dpo/llama2_7b.yaml", **{"trainer.accelerator": "cpu"})
    optimizer = cli.model.optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.defaults["lr"] == 5e-5
    assert cli.trainer.max_epochs == 20
    assert cli.datamodule.max_length == 1024
    assert cli.model.quantization == "nf4"


@pytest.mark.parametrize("overlay", ["cpu", "qlora", "ddp"])
def test_overlays_leave_the_rest_as_it_is(overlay):
    cli = instantiate(CONFIGS / "dpo/smollm2.yaml", CONFIGS / f"trainer/{overlay}.yaml")
    assert cli.model.quantization == ("nf4" if overlay == "qlora" else None)
    assert cli.model.lora_rank == 16
    assert cli.trainer.max_epochs == 2
    if overlay == "ddp":
        assert cli.trainer.strategy._timeout == timedelta(minutes=10)


def test_defaults_of_the_class_agree_with_what_it_documents():
    module = DPOModule(optimizer=partial(torch.optim.AdamW, lr=1e-4))
    assert (module.beta, module.loss, module.attention) == (0.1, "sigmoid", "tree")
