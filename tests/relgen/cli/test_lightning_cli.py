"""Trained commands: where they write, what they print, and how they continue."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule

from relgen.cli import main as cli
from relgen.cli.lightning_cli import _PrintedMetrics
from relgen.common.errors import InputError
from relgen.common.progress import LISTENER
from tests.relgen.cli.failing import failed
from tests.relgen.toy_classes import ToyData, ToyModule

pytestmark = pytest.mark.compute


def test_fit_and_go_on(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = ["dpo", "fit", "-c", str(config), "--out", str(out)]
    command += ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    assert cli.main([*command, "--trainer.max_epochs", "1", "--resume"]) == 0
    assert capsys.readouterr().out.strip().endswith(f"dpo fit: done -> {out}")
    assert (out / "checkpoints" / "last.ckpt").is_file()
    assert "beta: 0.1" in (out / "config.yaml").read_text(encoding="utf-8")
    assert list((out / "tensorboard").glob("events.*"))
    # the command line wins over what the checkpoint remembers
    more = ["--trainer.max_epochs", "2", "--model.beta", "0.7"]
    assert cli.main([*command, *more, "--ckpt_path", "last"]) == 0
    assert "beta: 0.7" in (out / "config.yaml").read_text(encoding="utf-8")
    # what was trained is not written over unasked
    before = (out / "checkpoints" / "last.ckpt").read_bytes()
    capsys.readouterr()
    line = failed(capsys, *command)
    assert "last.ckpt: this folder holds a checkpoint of an earlier run; --resume" in line
    assert (out / "checkpoints" / "last.ckpt").read_bytes() == before
    assert cli.main([*command, "--trainer.max_epochs", "1", "--force"]) == 0
    assert "beta: 0.1" in (out / "config.yaml").read_text(encoding="utf-8")


def test_force_leaves_no_checkpoint_to_resume_from(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its first checkpoint, the new run must not continue as the old one."""
    command = ["dpo", "fit", "-c", str(config), "--out", str(tmp_path / "out")]
    command += ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    assert cli.main([*command, "--trainer.max_epochs", "1"]) == 0

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tests.relgen.toy_classes.ToyModule.training_step", interrupted)
    assert cli.main([*command, "--trainer.max_epochs", "2", "--force"]) == 130
    assert not (tmp_path / "out/checkpoints/last.ckpt").exists()


@pytest.mark.parametrize("shown", ["true", "false"])
def test_progress_goes_to_stderr(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], shown: str
) -> None:
    out = tmp_path / "out"
    command = ["dpo", "fit", "-c", str(config), "--out", str(out), "--trainer.max_epochs", "1"]
    options = ["--trainer.enable_progress_bar", shown, "--trainer.accelerator", "cpu"]
    assert cli.main([*command, *options]) == 0
    said = capsys.readouterr()
    assert said.out == f"dpo fit: done -> {out}\n"
    assert ("Epoch 0" in said.err) == (shown == "true")
    # nor in a run, which shows one of its own
    reports = []
    before = LISTENER.set(lambda *parts: reports.append(parts))
    assert cli.main([*command, *options, "--force"]) == 0
    LISTENER.reset(before)
    assert "Epoch 0" not in capsys.readouterr().err
    assert reports == [(step, 2, "steps") for step in range(3)]


def test_steps_without_a_number_of_epochs_are_counted_without_one(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["dpo", "fit", "-c", str(config), "--out", str(tmp_path / "out")]
    command += ["--trainer.max_steps", "3", "--trainer.accelerator", "cpu"]
    assert cli.main(command) == 0
    said = capsys.readouterr().err
    assert "Epoch 1" in said
    assert "/-" not in said


def test_a_missing_accelerator_is_said(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    line = failed(
        capsys,
        *("dpo", "fit", "-c", str(config), "--out", str(tmp_path / "out")),
        *("--trainer.accelerator", "gpu"),
    )
    assert line.startswith("field 'trainer': ")


def test_only_a_training_writes_its_configuration(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from lightning.pytorch.trainer.states import TrainerFn

    from relgen.cli.lightning_cli import _SaveConfig

    def save(config: str, path: Path, **_: Any) -> None:
        path.write_text(config, encoding="utf-8")

    trainer: Any = SimpleNamespace(default_root_dir=str(tmp_path))
    for stage in (TrainerFn.FITTING, TrainerFn.TESTING, TrainerFn.PREDICTING):
        parser: Any = SimpleNamespace(save=save)
        config: Any = f"of {stage.value}"
        _SaveConfig(parser, config, name="dpo").save_config(trainer, None, stage)  # type: ignore[arg-type]
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert written == {
        "config.yaml": "# written by relgen dpo fit\nof fit",
        "config.test.yaml": "# written by relgen dpo test\nof test",
        "config.predict.yaml": "# written by relgen dpo predict\nof predict",
    }

    def killed(config: str, path: Path, **_: Any) -> None:
        path.write_text("# light", encoding="utf-8")
        raise KeyboardInterrupt

    parser = SimpleNamespace(save=killed)
    with pytest.raises(KeyboardInterrupt):
        _SaveConfig(parser, config, name="dpo").save_config(trainer, None, "fit")  # type: ignore[arg-type]
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8").endswith("of fit")


@pytest.mark.parametrize(
    ("options", "said", "unsaid"),
    [
        (
            [
                "--trainer.callbacks+=lightning.pytorch.callbacks.EarlyStopping",
                "--trainer.callbacks.monitor=val/nothing",
            ],
            "val/nothing` which is not available",
            "Traceback",
        ),
        (["--trainer.enable_checkpointing", "false"], "enable_checkpointing=False", "GPU"),
    ],
)
def test_errors_of_the_trainer_have_a_remedy_that_fits(
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
    unsaid: str,
) -> None:
    command = ["dpo", "fit", "-c", str(config), "--out", str(tmp_path / "out")]
    command += ["--trainer.max_epochs", "2", "--trainer.enable_progress_bar", "false"]
    line = failed(capsys, *command, *options)
    assert said in line
    assert unsaid not in line


@pytest.mark.parametrize("option", ["max_steps", "max_epochs", "limit_train_batches"])
def test_a_training_without_a_step_is_not_done(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    command = ["dpo", "fit", "-c", str(config), "--out", str(tmp_path / "out")]
    command += ["--trainer.enable_progress_bar", "false", f"--trainer.{option}", "0"]
    assert failed(capsys, *command).startswith("field 'trainer': not one step was trained; raise")


def test_a_refused_training_leaves_no_curves(
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise InputError("unusable")

    monkeypatch.setattr("tests.relgen.toy_classes.ToyModule.on_fit_start", refuse)
    out = tmp_path / "out"
    command = ["dpo", "fit", "-c", str(config), "--out", str(out)]
    command += ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    assert failed(capsys, *command) == "unusable"
    assert not (out / "tensorboard").exists()
    # those of an earlier run stay
    (out / "tensorboard").mkdir(parents=True)
    (out / "tensorboard" / "mine.txt").touch()
    assert failed(capsys, *command) == "unusable"
    assert [path.name for path in (out / "tensorboard").iterdir()] == ["mine.txt"]


def test_metrics_are_printed_without_noise(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {"test/micro_f1": torch.tensor(0.7), "test/loss": torch.tensor(-1e-9)}
    trainer: Any = SimpleNamespace(is_global_zero=True, callback_metrics=metrics)
    _PrintedMetrics().on_test_end(trainer, LightningModule())
    assert capsys.readouterr().out == "test/loss      0.0000\ntest/micro_f1  0.7000\n"


def test_validate_prints_a_line_for_each_metric(
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def step(module: ToyModule, batch: torch.Tensor, batch_idx: int) -> None:
        module.log("val/loss", module.training_step(batch, batch_idx))

    command = ["-c", str(config), "--out", str(tmp_path / "out")]
    command += ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    assert cli.main(["dpo", "fit", *command]) == 0
    monkeypatch.setattr(ToyModule, "validation_step", step)
    monkeypatch.setattr(ToyData, "val_dataloader", ToyData.train_dataloader)
    capsys.readouterr()
    assert cli.main(["dpo", "validate", *command]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"val/loss  0\.\d{4}", first)
