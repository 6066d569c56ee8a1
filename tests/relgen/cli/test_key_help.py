"""`relgen dpo fit --help`: the keys of the classes that a configuration names."""

from __future__ import annotations

import re
from inspect import signature
from pathlib import Path

import pytest

from datamodules.preferences import PreferenceDataModule
from lightning_modules.dpo import DPOModule
from relgen.cli import main as cli


def test_help_of_a_subcommand_lists_the_keys_of_the_configured_classes(
    capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    for word in ("--help", "--model.help"):
        assert cli.main(["dpo", "fit", "-c", str(config), word]) == 0
        said = capsys.readouterr().out
        assert f"Classes that {config} names, and their keys:" in said
        assert "--model.beta BETA" in said
        assert "--trainer.max_epochs MAX_EPOCHS" in said
    assert cli.main(["classifier", "fit", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--model.classifier.freeze_embeddings {true,false}" in said
    assert "--data.generated_share GENERATED_SHARE" in said


def test_every_key_of_model_and_data_has_its_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dpo", "fit", "--help"]) == 0
    entries = re.split(r"\n  (?=--)", capsys.readouterr().out)
    for section, kind in (("model", DPOModule), ("data", PreferenceDataModule)):
        for name in list(signature(kind).parameters):
            entry = next(one for one in entries if re.match(rf"--{section}\.{name}[ \n]", one))
            text = re.split(r"\((?:required, )?type: ", " ".join(entry.split()))[0]
            assert re.search(r"[a-z]{2,}.*\. $", text.partition(" ")[2]), entry


def test_a_configuration_on_top_leaves_the_classes_of_the_first(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    (tmp_path / "more.yaml").write_text("trainer: {max_epochs: 3}\n")
    assert cli.main(["dpo", "fit", "-c", str(config), "-c", str(tmp_path / "more.yaml"), "-h"]) == 0
    assert "--model.beta BETA" in capsys.readouterr().out
