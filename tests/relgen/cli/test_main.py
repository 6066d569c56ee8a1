"""The command line: what it imports, how it exits, and errors on one line."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relgen import __version__
from relgen.cli import main as cli
from relgen.common.errors import InputError

HEAVY = ("torch", "transformers", "lightning", "datasets", "peft", "numpy", "matplotlib")


def imported_by(*arguments: str) -> set[str]:
    """The heavy packages that a command imports, in a process of its own."""
    code = f"""
import sys
from relgen.cli.main import main
try:
    main({list(arguments)!r})
except SystemExit:
    pass
print("IMPORTED", *(m for m in {HEAVY!r} if m in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.processes
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["generate", "--help"],
        ["run", "everyday", "--dry-run", "--out", "no-such-folder"],
        ["chains", "missing.jsonl", "--schema", "everyday", "--out", "x"],
        ["data", "split", "missing.jsonl", "--shots", "8", "--out", "x"],
        ["data", "convert", "--format", "tacred", "missing.json", "--out", "x"],
        ["data", "schema", "missing.json", "--out", "x"],
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(arguments: list[str]) -> None:
    assert imported_by(*arguments) == set()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"relgen {__version__}\n"


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Runs a command that must end with code 2 and one line; returns the line."""
    try:
        code = cli.main(arguments)
    except SystemExit as error:
        code = error.code  # type: ignore[assignment]
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err.strip()


def test_mistyped_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(capsys, "dat") == "unknown command (got 'dat'); did you mean 'relgen data'?"
    assert "did you mean 'relgen data split'" in failed(capsys, "data", "splot")
    assert "a command is missing; one of data convert" in failed(capsys)
    assert failed(capsys, "data", "split") == (
        "field 'samples': missing; see `relgen data split --help`"
    )
    assert failed(capsys, "dpo") == (
        "relgen dpo needs a subcommand; one of fit, validate, test, predict"
    )


CLASS = "tests.relgen.toy_classes"
TOY = f"""
model:
  class_path: {CLASS}.ToyModule
  init_args:
    beta: 0.1
data:
  class_path: {CLASS}.ToyData
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(TOY, encoding="utf-8")
    return path


def test_a_misspelt_key_of_a_configuration(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    config.write_text(TOY.replace("beta", "betta"), encoding="utf-8")
    line = failed(capsys, "dpo", "fit", "-c", str(config), "--out", str(tmp_path / "out"))
    assert line == f"{config}:5: field 'model.betta': unknown key (got 0.1); did you mean 'beta'?"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.beta", "much"], "field 'model.beta': must be a number (got 'much')"),
        (
            ["--model.colour", "1"],
            "field 'model.colour': must be one of red, blue or null",
        ),
        (["--model.class_path", "foo.Bar"], "field 'model': no such class (got 'foo.Bar')"),
        (
            ["--model.class_path", "torch.nn.Linear"],
            "field 'model': must be a LightningModule or null (got 'torch.nn.Linear')",
        ),
        (["--model.gamma", "1"], "field 'model.gamma': unknown key"),
        (["--model.bet", "1"], "field 'model.bet': unknown key (got '1'); did you mean 'beta'?"),
        (["--trainer.max_epoc", "1"], "field 'trainer.max_epoc': unknown key (got '1'); did you"),
        (["--seed_every", "1"], "unknown key (got '1'); did you mean 'seed_everything'?"),
        (
            ["--trainer.max_epochs", "two"],
            "field 'trainer.max_epochs': must be a whole number or null (got 'two')",
        ),
        (["--trainer.precision", "8"], "must be one of 64, 32, 16 or one of transformer-engine, "),
        (["--trainer.strategy", "nine"], "field 'trainer': You selected an invalid strategy name"),
        (["--nonsense", "1"], "field '--nonsense': unknown key"),
        (["--ckpt_path", "last"], "last.ckpt: no such checkpoint"),
        (["-c", "no-such-preset"], "no-such-preset: no such file or preset; presets: dpo/"),
    ],
)
def test_mistakes_in_options(
    capsys: pytest.CaptureFixture[str],
    config: Path,
    tmp_path: Path,
    options: list[str],
    message: str,
) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert message in failed(capsys, "dpo", "fit", "-c", str(config), *options, *out)


def test_out_and_weights_are_asked_for(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    assert "field '--out': missing" in failed(capsys, "dpo", "fit", "-c", str(config))
    line = failed(capsys, "classifier", "test", "-c", str(config), "--out", str(tmp_path))
    assert "no trained weights to test; run `fit` with the same --out first" in line


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


def test_help_of_the_trained_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dpo", "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: relgen dpo SUBCOMMAND -c PRESET --out DIR")
    assert "fit, validate, test, predict" in said
    assert len(said.splitlines()) < 20


def test_a_damaged_checkpoint_is_said_and_not_used(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    last = out / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.write_bytes(b"PK\x03\x04 torn")
    options = ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    command = ["dpo", "fit", "-c", str(config), "--out", str(out), *options]
    assert "this checkpoint is damaged" in failed(capsys, *command, "--ckpt_path", "last")
    assert "damaged, or no checkpoint" in failed(capsys, *command, "--ckpt_path", str(last))
    assert "no such checkpoint" in failed(capsys, *command, "--ckpt_path", "none.ckpt")
    assert cli.main([*command, "--trainer.max_epochs", "1", "--resume"]) == 0
    assert "is damaged; starting again" in capsys.readouterr().err
    assert last.stat().st_size > 100


def test_a_missing_accelerator_is_said(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    line = failed(
        capsys,
        *("dpo", "fit", "-c", str(config), "--out", str(tmp_path / "out")),
        *("--trainer.accelerator", "gpu"),
    )
    assert line.startswith("field 'trainer': ")


def test_commands_do_not_write_over_what_they_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", "everyday", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    train = tmp_path / "train.jsonl"
    before = train.read_bytes()
    split = ["data", "split", str(train), "--shots", "2", "--out", str(tmp_path)]
    assert "this is an input of the command" in failed(capsys, *split)
    chains = ["chains", str(train), "--schema", "everyday", "--out", str(train)]
    assert "this is an input of the command" in failed(capsys, *chains)
    assert train.read_bytes() == before


def test_nobody_s_own_readme_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "everyday", "--out", str(tmp_path)]
    assert cli.main(command) == 0
    assert cli.main(command) == 0
    capsys.readouterr()
    (tmp_path / "README.md").write_text("# My project\n", encoding="utf-8")
    assert "README.md: this README is not a dataset card" in failed(capsys, *command)
    card = ["data", "card", str(tmp_path / "dev.jsonl"), "--schema", "everyday"]
    card += ["--license", "cc0-1.0", "--out", str(tmp_path)]
    assert "README.md: this README is not a dataset card" in failed(capsys, *card)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "# My project\n"


def test_a_full_disk_ends_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(arguments: list[str]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "runs/x/train.jsonl")

    monkeypatch.setattr(cli, "run", full)
    assert failed(capsys, "data", "everyday") == (
        "runs/x/train.jsonl: No space left on device; "
        "free some space and run the same command again"
    )


def test_interruption_has_its_own_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupted)
    assert cli.main(["run"]) == 130
    assert "run the same command again to continue" in capsys.readouterr().err


def test_unexpected_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: list[str]) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "run", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["run"])


def test_input_errors_name_everything() -> None:
    error = InputError("wrong", path="a.jsonl", line=3, field="head", value=7, remedy="mend it")
    assert str(error) == "a.jsonl:3: field 'head': wrong (got 7); mend it"
    assert len(str(InputError("long", value="x" * 500))) < 120


def test_only_a_training_writes_its_configuration(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from relgen.cli.lightning_cli import _SaveConfig

    def save(config: str, path: Path, **_: Any) -> None:
        path.write_text(config, encoding="utf-8")

    trainer: Any = SimpleNamespace(default_root_dir=str(tmp_path))
    for stage in ("fit", "test", "predict"):
        parser: Any = SimpleNamespace(save=save)
        config: Any = f"of {stage}"
        _SaveConfig(parser, config).save_config(trainer, None, stage)  # type: ignore[arg-type]
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert written == {
        "config.yaml": "of fit",
        "config.test.yaml": "of test",
        "config.predict.yaml": "of predict",
    }


def test_the_report_of_an_unfinished_grid_names_the_grids_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = {"name": "mine", "cells": ["k1", "k2"], "settings": ""}
    (tmp_path / "grid.json").write_text(json.dumps(mark), encoding="utf-8")
    (tmp_path / "k1").mkdir()
    (tmp_path / "k1" / "results.json").write_text("{}", encoding="utf-8")
    line = failed(capsys, "report", str(tmp_path))
    assert "not finished" in line
    assert "['k2']" in line
    assert f"--out {tmp_path}" in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_epoch: 3", "t.yaml:2: field 'trainer.max_epoch': unknown key (got 3); did you mean"),
        (
            "max_epochs: 3\n  max_epochs: 4",
            "t.yaml:3: not valid YAML: the key 'max_epochs' is given",
        ),
        ("max_epochs: x", "t.yaml:2: field 'trainer.max_epochs': must be a whole number or null"),
    ],
)
def test_mistakes_in_a_second_file(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path, text: str, message: str
) -> None:
    second = tmp_path / "t.yaml"
    second.write_text(f"trainer:\n  {text}\n", encoding="utf-8")
    files = ["-c", str(config), "-c", str(second)]
    assert message in failed(capsys, "dpo", "fit", *files, "--out", str(tmp_path / "out"))
