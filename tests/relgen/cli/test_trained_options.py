"""The options of trained commands that are relgen's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relgen.cli import main as cli
from tests.relgen.cli.failing import failed


def test_out_and_weights_are_asked_for(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    assert "field '--out': missing" in failed(capsys, "dpo", "fit", "-c", str(config))
    assert "field '-c': missing" in failed(capsys, "dpo", "fit")
    for word, meant in (("--resum", "resume"), ("--oout", "out")):
        line = failed(capsys, "dpo", "fit", "-c", str(config), word, "x")
        assert line == f"field '{word}': unknown key (got 'x'); did you mean '{meant}'?"
    line = failed(capsys, "classifier", "test", "-c", str(config), "--out", str(tmp_path))
    assert "no trained weights to test; run `fit` with the same --out first" in line


def test_names_have_dashes_or_underscores(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    for option in ("--print-config", "--print_config"):
        with pytest.raises(SystemExit, match="0"):
            cli.main(["dpo", "fit", "-c", str(config), "--trainer.max-epochs", "7", option])
        assert "max_epochs: 7" in capsys.readouterr().out


def test_help_of_the_trained_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dpo", "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: relgen dpo SUBCOMMAND -c PRESET --out DIR")
    assert "SUBCOMMAND is one of fit, validate; LightningCLI" in said
    assert len(said.splitlines()) < 20
    assert cli.main(["classifier", "--help"]) == 0
    assert "SUBCOMMAND is one of fit, validate, test, predict;" in capsys.readouterr().out


def test_a_misspelt_subcommand_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(capsys, "dpo", "fti", "-c", "smollm2") == (
        "relgen dpo needs a subcommand as its first word (got 'fti'); did you mean 'fit'?"
    )
    assert failed(capsys, "dpo", "predict", "-c", "smollm2") == (
        "relgen dpo needs a subcommand as its first word (got 'predict'); one of fit, validate"
    )


def test_a_value_that_is_named_like_a_subcommand(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["classifier", "fit", "-c", "classifier/entity_marker", "--data.schema", "test"]
    with pytest.raises(SystemExit, match="0"):
        cli.main([*words, "--print_config"])
    assert "schema: test\n" in capsys.readouterr().out
    assert failed(capsys, "classifier", "--data.schema", "test", "fit") == (
        "relgen classifier needs a subcommand as its first word (got '--data.schema'); one of fit, "
        "validate, test, predict"
    )


def test_a_damaged_checkpoint_is_said_and_not_used(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    last = out / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.write_bytes(b"PK\x03\x04 torn")
    options = ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    command = ["dpo", "fit", "-c", str(config), "--out", str(out), *options]
    assert "not a checkpoint, or is damaged" in failed(capsys, *command, "--ckpt_path", "last")
    assert "not a checkpoint, or is damaged" in failed(capsys, *command, "--ckpt_path", str(last))
    assert "no such checkpoint" in failed(capsys, *command, "--ckpt_path", "none.ckpt")
    (out / "config.yaml").write_text("# written by relgen dpo fit\n")
    assert cli.main([*command, "--trainer.max_epochs", "1", "--resume"]) == 0
    assert "is damaged; starting from scratch" in capsys.readouterr().err
    assert last.stat().st_size > 100


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2], {"state_dict": {}}])
def test_foreign_checkpoints_are_one_line(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object
) -> None:
    path = tmp_path / "foreign.ckpt"
    torch.save(content, path)
    command = ["dpo", "fit", "-c", str(config), "--out", str(tmp_path / "out")]
    line = failed(capsys, *command, "--ckpt_path", str(path))
    said = "field '--ckpt_path': this file is not a checkpoint, or is damaged; give the path"
    assert line.startswith(f"{path}: {said}")
