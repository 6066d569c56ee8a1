"""Mistakes in configurations and options of trained commands, named on one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.relgen.cli.conftest import TOY
from tests.relgen.cli.failing import failed


def test_a_misspelt_key_of_a_configuration(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    config.write_text(TOY.replace("beta", "betta"), encoding="utf-8")
    line = failed(capsys, "dpo", "fit", "-c", str(config), "--out", str(tmp_path / "out"))
    assert (
        line
        == f"{config}:5: field 'model.betta': unknown key (got 0.1); did you mean 'model.beta'?"
    )


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
        (
            ["--model.bet", "1"],
            "unknown key (got '1'); did you mean 'model.beta'?",
        ),
        (["--trainer.max_epoc", "1"], "field 'trainer.max_epoc': unknown key (got '1'); did you"),
        (["--seed_every", "1"], "unknown key (got '1'); did you mean 'seed_everything'?"),
        (
            ["--trainer.max_epochs", "two"],
            "field 'trainer.max_epochs': must be a whole number or null (got 'two')",
        ),
        (["--trainer.precision", "8"], "must be one of 64, 32, 16 or one of transformer-engine, "),
        (["--trainer.strategy", "nine"], "field 'trainer': You selected an invalid strategy name"),
        (["--trainer.accumulate_grad_batches", "0"], "must be from 1 to 4294967295 (got 0)"),
        (["--seed_everything", "-1"], "field 'seed_everything': must be from 0 to 4294967295"),
        (["--nonsense", "1"], "field '--nonsense': unknown key"),
        (["--force", "maybe"], "unexpected argument (got 'maybe')"),
        (["--ckpt-path", "last"], "last.ckpt: no such checkpoint"),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "max_epoch: 3",
            "t.yaml:2: field 'trainer.max_epoch': unknown key (got 3); did you mean 'trai",
        ),
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
