"""Fits that are stopped by signals at random moments and end in the weights of one that was not."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from relgen.data.samples import write_samples
from tests.integration import forked
from tests.lightning_modules import dpo_runs
from tests.tiny import encoders
from tests.waiting import wait_until

STEPS = 16
SERIES = 30
CODES = {"SIGTERM": 143, "SIGINT": 130, "SIGINT SIGINT": 130, "SIGKILL": -signal.SIGKILL}
QUIET = (
    *("--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"),
    *("--trainer.log_every_n_steps", "1"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fits")
    dpo_runs.write_files(path)
    encoders.save_encoder(path / "encoder", dropout=0.2)
    encoders.SCHEMA.save(path / "labels.yaml")
    write_samples(path / "human.jsonl", encoders.samples(36))
    write_samples(path / "dev.jsonl", encoders.samples(15, source="dev", skip=36))
    return path


def command(folder: Path, kind: str, validates: bool) -> tuple[str, ...]:
    """A fit of 16 steps, with dropout, and with several validations or none."""
    if kind == "dpo":
        words = (
            *("dpo", "fit", "-c", "dpo/smollm2", "--model.model", str(folder / "base")),
            *("--data.chains", str(folder / "chains.jsonl"), "--data.token_budget", "1"),
            *("--data.schema", str(folder / "schema.yaml"), "--model.lora_dropout", "0.2"),
            *("--model.sample_every_n_steps", "5", "--trainer.max_epochs", "4"),
        )
        if validates:
            words += ("--data.validation_chains", str(folder / "chains.jsonl"))
        return words + QUIET
    words = (
        *("classifier", "fit", "-c", "classifier/entity_marker"),
        *("--model.classifier.model", str(folder / "encoder")),
        *("--model.classifier.encoder_dropout", "0.2", "--data.batch_size", "4"),
        *("--data.schema", str(folder / "labels.yaml"), "--data.steps_per_epoch", "6"),
        *("--data.human", str(folder / "human.jsonl"), "--trainer.max_steps", str(STEPS)),
    )
    if validates:
        words += ("--data.validation", str(folder / "dev.jsonl"), "--model.select", "best")
    return words + QUIET


@pytest.fixture(scope="module")
def wholes() -> dict[tuple[str, bool], Path]:
    """The folders of the runs that were not stopped."""
    return {}


def weights(out: Path) -> dict[str, torch.Tensor]:
    """The tensors of a finished fit: those to use, and those of its last checkpoint."""
    (file,) = [*out.glob("adapter/*.safetensors"), *out.glob("model/*.safetensors")]
    saved = torch.load(out / "checkpoints/last.ckpt", weights_only=True)
    return load_file(file) | {f"last/{key}": value for key, value in saved["state_dict"].items()}


def history(out: Path) -> list[dict[str, Any]]:
    """The complete rows of a run's history."""
    file = out / "history.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else ()
    return [json.loads(line) for line in lines if line.endswith("\n")]


def reached(out: Path, begun: int, moment: str, step: int) -> bool:
    """Whether a run writes its configuration anew, logs a step, or writes a checkpoint after it."""
    if written(out) == begun:
        return False
    logged = any(row["step"] >= step for row in history(out))
    writes = any((out / "checkpoints").glob(".*.tmp"))
    return {"begun": True, "step": logged, "writing": logged and writes}[moment]


def written(out: Path) -> int:
    """The time at which a run's configuration was written."""
    file = out / "config.yaml"
    return file.stat().st_mtime_ns if file.exists() else 0


def stopped(
    log: Path, words: tuple[str, ...], out: Path, told: str, moment: str, step: int
) -> bool:
    """Run a fit, and send it signals at a moment; return whether it was stopped."""
    log.unlink(missing_ok=True)
    begun = written(out)
    process = forked.start(log, *words, "--out", str(out), "--resume")
    wait_until(lambda: not process.is_alive() or reached(out, begun, moment, step))
    for name in told.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid or 0, signal.Signals[name])
    process.join()
    said = log.read_text(encoding="utf-8")
    if process.exitcode == 0:
        assert " fit: done -> " in said
        return False
    assert process.exitcode == CODES.get(told, 0), said
    if told != "SIGKILL":
        assert "to continue" in said
        assert "Traceback" not in said
    return True


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("series", range(SERIES))
@pytest.mark.parametrize("kind", ["dpo", "classifier"])
def test_a_stopped_fit_ends_in_the_same_weights(
    folder: Path, wholes: dict[tuple[str, bool], Path], kind: str, series: int
) -> None:
    validates = series % 2 == 1
    words, log = command(folder, kind, validates), folder / f"{kind}-{series}.log"
    if (kind, validates) not in wholes:
        wholes[kind, validates] = folder / f"{kind}-{validates}"
        assert not stopped(log, words, wholes[kind, validates], "", "step", STEPS)
    draws, out = random.Random(f"{kind}/{series}"), folder / f"{kind}-{series}"
    steps = sorted(draws.choice([*range(STEPS), STEPS - 1]) for _ in range(3))
    plan = [
        (draws.choice([*CODES]), draws.choice(["begun", "writing", *["step"] * 6]), step)
        for step in steps
    ]
    while plan and stopped(log, words, out, *plan[0]):
        del plan[0]
    if not plan:
        assert not stopped(log, words, out, "", "step", STEPS)
    whole = wholes[kind, validates]
    expected, found = weights(whole), weights(out)
    assert expected.keys() == found.keys()
    assert not [key for key in expected if not torch.equal(expected[key], found[key])]
    assert history(out) == history(whole)
