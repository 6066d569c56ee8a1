"""What `--resume` compares with the run that it continues."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from jsonargparse import Namespace

from relgen.cli import main as cli
from relgen.cli.run_settings import run_settings
from relgen.dpo.preference_pairs import write_chains
from tests import tiny
from tests.lightning_modules import dpo_runs
from tests.relgen.cli.failing import failed

pytestmark = pytest.mark.compute


def test_settings_are_keys_and_files_their_content(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("abc", encoding="utf-8")
    optimizer = Namespace(class_path="torch.optim.SGD", init_args=Namespace(lr=0.1))
    module = Namespace(class_path="my.Module", init_args=Namespace(rank=4, optimizer=optimizer))
    data = {"human": str(tmp_path / "a.jsonl"), "schema": "everyday", "workers": 2}
    stops = Namespace(class_path="my.Stop", init_args=Namespace(patience=3))
    trainer = Namespace(max_epochs=2, logger=Namespace(class_path="my.Logger"), callbacks=[stops])
    config = Namespace(
        model=module,
        data=Namespace(class_path="my.Data", init_args=Namespace(**data)),
        trainer=trainer,
        seed_everything=1,
        ckpt_path="last.ckpt",
    )
    digest = run_settings(config).pop("data.human")["sha256"]
    assert len(digest) == 64
    assert run_settings(config) == {
        "model": "my.Module",
        "model.rank": 4,
        "model.optimizer": "torch.optim.SGD",
        "model.optimizer.lr": 0.1,
        "data": "my.Data",
        "data.human": {"path": str(tmp_path / "a.jsonl"), "sha256": digest},
        "data.schema": "everyday",
        "trainer.max_epochs": 2,
        "trainer.callbacks[0]": "my.Stop",
        "trainer.callbacks[0].patience": 3,
        "seed_everything": 1,
    }


def test_resume_refuses_other_settings_and_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    files, out = dpo_runs.write_files(tmp_path), tmp_path / "out"
    tiny.save_model(tmp_path / "other", "qwen2")
    write_chains(tmp_path / "more.jsonl", [tiny.chain(5)])
    command = [
        *("dpo", "fit", "-c", "dpo/smollm2", "--model.model", files["model"], "--resume"),
        *("--data.chains", files["chains"], "--data.schema", files["schema"]),
        *("--out", str(out), "--trainer.accelerator", "cpu", "--trainer.max_epochs", "1"),
        *("--trainer.enable_progress_bar", "false", "--model.lora_rank", "4"),
    ]
    assert cli.main(command) == 0
    before = (out / "checkpoints/last.ckpt").read_bytes()
    capsys.readouterr()
    for option, value, key, was in (
        ("--model.lora_rank", "8", "model.lora_rank", 4),
        ("--model.model", str(tmp_path / "other"), "model.model", files["model"]),
        ("--model.loss", "ipo", "model.loss", "sigmoid"),
        ("--data.chains", str(tmp_path / "more.jsonl"), "data.chains", files["chains"]),
        ("--trainer.max_epochs", "2", "trainer.max_epochs", 1),
        ("--seed_everything", "7", "seed_everything", 1),
    ):
        line = failed(capsys, *command, option, value)
        expected = f"field '{key}': the run to resume was started with {was!r} (got "
        assert line.startswith(expected), line
        assert value in line
        assert "--ckpt_path last to continue with others" in line
    assert (out / "checkpoints/last.ckpt").read_bytes() == before

    # neither names of files nor what does not change the weights
    Path(files["chains"]).rename(tmp_path / "moved.jsonl")
    moved = ["--data.chains", str(tmp_path / "moved.jsonl"), "--trainer.log_every_n_steps", "2"]
    assert cli.main([*command, *moved, "--data.workers", "1"]) == 0
    write_chains(tmp_path / "moved.jsonl", [tiny.chain(5)])
    capsys.readouterr()
    line = failed(capsys, *command, *moved)
    assert "data.chains': the run to resume was started with" in line
    # explicitly, any
    assert cli.main([*command, *moved, "--ckpt_path", "last", "--trainer.max_epochs", "4"]) == 0
    saved = torch.load(out / "checkpoints/last.ckpt", weights_only=True)
    assert saved["relgen_run"]["settings"]["trainer.max_epochs"] == 4
