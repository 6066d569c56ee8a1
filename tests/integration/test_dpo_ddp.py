"""Two processes: means over all pairs, the same number of batches for each, one set of files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from datamodules.preferences import PreferenceDataModule
from lightning_modules.dpo import DPOModule
from relgen.dpo.preference_pairs import write_chains
from tests import tiny
from tests.lightning_modules.two_processes import run_command

SCRIPT = """
import sys
from functools import partial

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from datamodules.preferences import PreferenceDataModule
from lightning_modules.dpo import DPOModule

folder = sys.argv[1]
chains, schema, base = (f"{folder}/{name}" for name in ("chains.jsonl", "schema.yaml", "base"))
trainer = Trainer(
    default_root_dir=f"{folder}/run", max_epochs=2, accelerator="cpu", devices=2, strategy="ddp",
    logger=False, log_every_n_steps=1, enable_progress_bar=False, enable_model_summary=False,
    callbacks=[ModelCheckpoint(dirpath=f"{folder}/checkpoints", save_last=True)],
)
optimizer = partial(torch.optim.AdamW, lr=1e-2)
data = PreferenceDataModule(
    chains, schema, model=base, token_budget=400, seed=1, validation_chains=chains
)
trainer.fit(DPOModule(model=base, lora_rank=4, optimizer=optimizer), data)
"""

STEP = """
import sys
from functools import partial

import torch
from lightning.pytorch import Trainer

from datamodules.preferences import PreferenceDataModule
from lightning_modules.dpo import DPOModule

folder = sys.argv[1]
chains, schema, base = (f"{folder}/{name}" for name in ("chains.jsonl", "schema.yaml", "base"))
trainer = Trainer(
    default_root_dir=f"{folder}/run", max_steps=1, accelerator="cpu", devices=2, strategy="ddp",
    precision="64-true", logger=False, enable_progress_bar=False, enable_model_summary=False,
    enable_checkpointing=False,
)
optimizer = partial(torch.optim.SGD, lr=1.0)
module = DPOModule(
    model=base, dtype="float64", lora_rank=4, optimizer=optimizer, warmup_steps=0,
    schedule="constant",
)
# a chain for each process
trainer.fit(module, PreferenceDataModule(chains, schema, model=base, token_budget=1))
if trainer.is_global_zero:
    torch.save(module.policy.state_dict(), f"{folder}/tuned.pt")
"""


@pytest.mark.processes
@pytest.mark.slow
def test_a_step_of_two_processes_is_that_of_one(tmp_path: Path) -> None:
    tiny.save_model(tmp_path / "base")
    write_chains(tmp_path / "chains.jsonl", [tiny.chain(n, name=f"c{n}") for n in (2, 5)])
    tiny.SCHEMA.save(tmp_path / "schema.yaml")
    script = tmp_path / "step.py"
    script.write_text(STEP)
    run_command(tmp_path, sys.executable, str(script), str(tmp_path))
    tuned = torch.load(tmp_path / "tuned.pt")

    module = DPOModule(model=str(tmp_path / "base"), dtype="float64", lora_rank=4)
    module.configure_model()
    # A has no gradient while B is zero, as in a fresh adapter
    zero = {n: torch.zeros_like(value) for n, value in tuned.items() if "lora_B" in n}
    module.policy.double().load_state_dict({**tuned, **zero})
    files = (str(tmp_path / name) for name in ("chains.jsonl", "schema.yaml"))
    data = PreferenceDataModule(*files, model=str(tmp_path / "base"), token_budget=10_000)
    data.prepare_data()
    data.setup("fit")
    (batch,) = data.train_dataloader()
    loss, _ = module.model_step(batch, module.reference_log_probabilities(batch))
    loss.backward()
    assert batch.pairs == 7
    # after a step at rate 1, B is the gradient's opposite
    for name in zero:
        gradient = module.policy.get_parameter(name).grad
        assert gradient is not None
        assert (tuned[name] + gradient).norm() <= 1e-9 * gradient.norm() > 0, name


@pytest.mark.processes
@pytest.mark.slow
def test_validation_means_are_exact_on_two_processes(tmp_path: Path) -> None:
    tiny.save_model(tmp_path / "base")
    # 21 pairs, an odd number, in batches of different sizes
    write_chains(
        tmp_path / "chains.jsonl", [tiny.chain(n, name=f"c{n}") for n in (1, 2, 3, 4, 5, 6)]
    )
    tiny.SCHEMA.save(tmp_path / "schema.yaml")
    script = tmp_path / "fit.py"
    script.write_text(SCRIPT)
    run_command(tmp_path, sys.executable, str(script), str(tmp_path))
    rows = [json.loads(line) for line in (tmp_path / "run/history.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(len(rows)))
    last = rows[-1]["metrics"]

    module = DPOModule.load_from_checkpoint(tmp_path / "checkpoints/last.ckpt")
    data = PreferenceDataModule(
        str(tmp_path / "chains.jsonl"),
        str(tmp_path / "schema.yaml"),
        model=str(tmp_path / "base"),
        token_budget=10_000,
    )
    data.prepare_data()
    data.setup("fit")
    (batch,) = data.train_dataloader()
    with torch.no_grad():
        _, metrics = module.model_step(batch, module.reference_log_probabilities(batch))
    margins = metrics["rewards/chosen"] - metrics["rewards/rejected"]
    assert batch.pairs == 21
    assert last["val/loss"] == pytest.approx(metrics["loss"].mean().item(), rel=1e-4)
    assert last["val/rewards/margins"] == pytest.approx(margins.mean().item(), rel=1e-4)
    assert last["val/rewards/accuracies"] == pytest.approx((margins > 0).float().mean().item())
    assert last["tokens_seen"] == 2 * batch.tokens
