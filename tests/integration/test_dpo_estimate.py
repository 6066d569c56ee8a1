"""`relgen dpo fit --estimate`: against a real step, and as a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relgen.cli import main as cli
from relgen.dpo.preference_pairs import write_chains
from tests import tiny

# every tensor from the system and back to it: the resident set is then what is alive
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_MMAP_MAX_": "10000000", "MALLOC_TOP_PAD_": "0"}


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    ("pairs", "settings", "kernels"),
    [
        (8, {}, "on"),
        (16, {"branch_tokens": 384}, "on"),
        (8, {"gradient_checkpointing": True}, "on"),
        (4, {}, "off"),
    ],
)
def test_a_step_of_the_embedded_model(pairs: int, settings: dict[str, Any], kernels: str) -> None:
    command = [sys.executable, "-m", "tests.lightning_modules.step_memory"]
    found = subprocess.run(
        [*command, str(pairs), json.dumps(settings)],
        env={**os.environ, **MALLOC, "RELGEN_KERNELS": kernels, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    estimated, measured = json.loads(found.stdout.splitlines()[-1])
    assert estimated == pytest.approx(measured, rel=0.15)


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
    assert [line.split()[0] for line in said[1:-1]] == parts
    assert {path.name for path in tmp_path.iterdir()} <= before


def test_a_step_that_does_not_fit_is_refused_before_weights_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    base = Path(tiny.save_model(tmp_path / "base"))
    (base / "model.safetensors").unlink()
    write_chains(tmp_path / "chains.jsonl", [tiny.chain(3)])
    tiny.SCHEMA.save(tmp_path / "schema.yaml")
    weights = 4 * 36_160  # of the base
    monkeypatch.setattr("relgen.models.memory.free_memory", lambda device: weights + 100_000)
    command = ["dpo", "fit", "-c", "dpo/smollm2", "--model.model", str(base)]
    command += ["--data.chains", str(tmp_path / "chains.jsonl")]
    command += ["--data.schema", str(tmp_path / "schema.yaml"), "--out", str(tmp_path / "out")]
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert "GiB of memory left" in said
    remedy = "lower data.token_budget, set model.gradient_checkpointing, try quantization: nf4, or"
    assert remedy in said


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--model.lora_rank", "0", "must be a whole number above 0"),
        ("--data.token_budget", "0", "must be a whole number above 0"),
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
    assert "works with `relgen dpo fit` only" in capsys.readouterr().err
