"""Two processes on one machine: the arithmetic of one, and clean ends."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.preferences import PreferenceDataModule, _sizes, collate_chains
from datamodules.utils.batching import TokenBatchSampler
from lightning_modules.dpo import DPOModule
from relgen.data.samples import write_samples
from relgen.dpo.preference_pairs import write_chains
from tests import tiny
from tests.lightning_modules import step_on_two_processes
from tests.lightning_modules.two_processes import TWO, run, run_command, start
from tests.tiny.encoders import SCHEMA, samples, save_encoder
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.processes]
RATE = 0.5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny model in float64, and five chains: an odd number, of different lengths."""
    tiny.language_model(dtype=torch.float64).save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    chains = [tiny.chain(pairs, name=f"c{pairs}") for pairs in (1, 2, 3, 4, 6)]
    write_chains(tmp_path / "chains.jsonl", chains)
    tiny.SCHEMA.save(tmp_path / "schema.yaml")
    return tmp_path


def fit(folder: Path, out: str, *options: str) -> list[str]:
    """`relgen dpo fit` with plain gradient descent."""
    model = {
        "model": folder / "base",
        "dtype": "float64",
        "lora_rank": 4,
        "schedule": "constant",
        "warmup_steps": 0,
        "sample_every_n_steps": 0,
        # what `by_hand` takes at once
        "branch_tokens": 30,
        "optimizer": "torch.optim.SGD",
        "optimizer.lr": RATE,
    }
    return [
        *("dpo", "fit", "-c", "dpo/smollm2"),
        *(f"--model.init_args.{name}={value}" for name, value in model.items()),
        *("--data.chains", str(folder / "chains.jsonl")),
        *("--data.schema", str(folder / "schema.yaml"), "--data.token_budget", "500"),
        *("--trainer.gradient_clip_val", "null", "--out", str(folder / out), *options),
    ]


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(
        folder / "checkpoints/last.ckpt", weights_only=False
    )["state_dict"]
    return state


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def by_hand(
    folder: Path,
    epochs: int,
    optimizer_class: type[torch.optim.Optimizer] = torch.optim.SGD,
    clip: float = math.inf,
) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Adapter and losses of one process that has both processes' batches at every step."""
    module = DPOModule(
        model=str(folder / "base"),
        dtype="float64",
        branch_tokens=None,
        lora_rank=4,
        nll_weight=1.0,
        lora_seed=0,
    )
    module.configure_model()
    module.train()
    data = PreferenceDataModule(
        str(folder / "chains.jsonl"), str(folder / "schema.yaml"), model=str(folder / "base")
    )
    data.prepare_data()
    data.setup("fit")
    assert data.training is not None
    table = data.training
    sizes = _sizes(table)
    weights = [p for p in module.parameters() if p.requires_grad]
    optimizer, losses, seen = optimizer_class(weights, lr=RATE), [], 0
    for epoch in range(epochs):
        samplers = [
            TokenBatchSampler(sizes, 500, seed=0, rank=rank, processes=2) for rank in range(2)
        ]
        for sampler in samplers:
            sampler.set_epoch(epoch)
        for batches in zip(*samplers, strict=True):
            packed = [collate_chains(table[rows]) for rows in batches]
            parts = [
                module.model_step(batch, module.reference_log_probabilities(batch))
                for batch in packed
            ]
            pairs = [len(metrics["loss"]) for _, metrics in parts]
            loss = sum(mean * n for (mean, _), n in zip(parts, pairs, strict=True)) / sum(pairs)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, clip)
            optimizer.step()
            losses.append(loss.item())
            seen += sum(map(len, batches))
    assert seen == epochs * len(table)
    return {key: module.state_dict()[key] for key in module.adapter_keys()}, losses


def test_dpo_is_that_of_one_process_with_both_batches(folder: Path) -> None:
    run(folder, *fit(folder, "two", *TWO, "--trainer.max_epochs", "2"))
    expected, losses = by_hand(folder, 2)
    found = adapter(folder / "two")
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert torch.allclose(found[key], values, atol=1e-6, rtol=1e-6), key
        assert not torch.allclose(values, torch.zeros_like(values), atol=1e-3)
    logged = [row["metrics"]["loss"] for row in history(folder / "two") if "loss" in row["metrics"]]
    assert logged == pytest.approx(losses, rel=1e-5)


def test_a_process_that_dies_ends_the_run(folder: Path) -> None:
    process = start(folder, *fit(folder, "dies", *TWO, "--trainer.max_epochs", "5000"))
    wait_until(lambda: (folder / "dies/history.jsonl").exists(), process)
    os.kill(_child(process), signal.SIGKILL)
    said, _ = process.communicate()
    assert process.returncode not in (0, None)
    assert "has lost another process" in said or "terminated with code -9" in said


@pytest.mark.parametrize("options", [(), TWO], ids=["one", "two"])
@pytest.mark.usefixtures("obeys_ctrl_c")
@pytest.mark.parametrize(("told", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_the_run_goes_on_to_the_same_end(
    folder: Path, told: signal.Signals, code: int, options: Sequence[str]
) -> None:
    epochs = ("--trainer.max_epochs", "40")
    run(folder, *fit(folder, "whole", *options, *epochs))
    process = start(folder, *fit(folder, "stopped", *options, *epochs))
    written = folder / "stopped/history.jsonl"
    wait_until(lambda: written.exists() and len(written.read_text().splitlines()) > 4, process)
    process.send_signal(told)
    said, _ = process.communicate()
    assert process.returncode == code, said
    assert ("Ctrl-C again" in said) == (told == signal.SIGINT)
    saved = torch.load(folder / "stopped/checkpoints/last.ckpt", weights_only=False)
    whole = torch.load(folder / "whole/checkpoints/last.ckpt", weights_only=False)
    assert 0 < saved["global_step"] < whole["global_step"]
    run(folder, *fit(folder, "stopped", *options, *epochs, "--ckpt_path", "last"))
    expected, found = adapter(folder / "whole"), adapter(folder / "stopped")
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    steps = [row["step"] for row in history(folder / "stopped")]
    assert steps == [row["step"] for row in history(folder / "whole")]


def test_a_slurm_job_is_queued_again_and_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGUSR1 before the time is up: a checkpoint after the step, and `scontrol requeue`."""
    epochs = ("--trainer.max_epochs", "40")
    run(folder, *fit(folder, "whole", *epochs))
    scontrol = folder / "bin/scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f"#!/bin/sh\necho $@ > {folder}/queued\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{scontrol.parent}:{os.environ['PATH']}")
    job = {"JOB_ID": "17", "NTASKS": "1", "JOB_NAME": "dpo", "PROCID": "0", "LOCALID": "0"}
    for name, value in (job | {"NODEID": "0", "NTASKS_PER_NODE": "1"}).items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    process = start(folder, *fit(folder, "job", *epochs, "--resume"))
    written = folder / "job/history.jsonl"
    wait_until(lambda: written.exists() and len(written.read_text().splitlines()) > 4, process)
    process.send_signal(signal.SIGUSR1)
    wait_until((folder / "queued").exists, process)
    process.kill()
    process.communicate()
    assert (folder / "queued").read_text() == "requeue 17\n"
    saved = torch.load(folder / "job/checkpoints/last.ckpt", weights_only=False)
    assert 0 < saved["global_step"] < 80
    run(folder, *fit(folder, "job", *epochs, "--resume"))
    expected, found = adapter(folder / "whole"), adapter(folder / "job")
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def _child(process: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
    return next(pid for pid, command in commands.items() if "relgen.cli.main" in command)


def test_the_classifiers_step_is_that_of_one_process_with_both_batches(tmp_path: Path) -> None:
    SCHEMA.save(tmp_path / "schema.yaml")
    write_samples(tmp_path / "human.jsonl", samples(9))
    write_samples(tmp_path / "generated.jsonl", samples(8, source="generated", skip=9))
    save_encoder(tmp_path / "encoder")
    script = (sys.executable, "-m", "tests.lightning_modules.step_on_two_processes")
    run_command(tmp_path, *script, str(tmp_path))
    states = [torch.load(tmp_path / f"{name}.pt") for name in ("before", "after")]
    batches = [torch.load(tmp_path / f"batch{rank}.pt", weights_only=False) for rank in (0, 1)]
    assert not {*batches[0].ids} & {*batches[1].ids}
    # unequal weights: a plain average of the processes' means would be another number
    assert batches[0].generated.sum() != batches[1].generated.sum()

    module = step_on_two_processes.module(tmp_path)
    module.classifier = module.build_classifier(SCHEMA).double().eval()
    module.classifier.load_state_dict(states[0])
    losses, weights = [], []
    for batch in batches:
        loss, _ = module.model_step(batch)
        weights.append(torch.where(batch.generated, 0.3, 1.0).sum())
        losses.append(loss * weights[-1])
    (sum(losses) / sum(weights)).backward()
    for name, parameter in module.classifier.named_parameters():
        if parameter.grad is not None:
            expected = states[0][name] - step_on_two_processes.RATE * parameter.grad
            assert torch.allclose(states[1][name], expected, atol=1e-6, rtol=1e-6), name
