"""Devices that a command may name."""

from __future__ import annotations

import importlib
import typing
from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.data.corpora.everyday import read_split
from relgen.data.samples import write_samples
from relgen.models.devices import DeviceName, find_device
from tests.relgen.cli.failing import failed

pytestmark = pytest.mark.compute


def test_a_device_is_found_by_its_name() -> None:
    assert find_device("cpu").type == "cpu"


def test_every_device_is_checked_before_the_command_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = {}
    for command in set(cli.COMMANDS) - set(cli.TRAINED):
        module = importlib.import_module(f"relgen.cli.commands.{command.replace(' ', '_')}")
        found = typing.get_type_hints(module.Options, include_extras=True)
        if "device" in found:
            hints[command] = found["device"]
    known = {"generate", "label", "suggest", "direct", "reader", "predict", "serve"}
    assert hints == dict.fromkeys(known, DeviceName | None)
    monkeypatch.setattr("relgen.cli.commands.suggest.run", None)
    write_samples(tmp_path / "a.jsonl", read_split("test")[:2])
    line = ["suggest", "--train", str(tmp_path / "a.jsonl"), "--schema", "everyday", "--errors"]
    for name in ("cuda:99", "meta", "gpu"):
        said = failed(capsys, *line, "--device", name)
        assert said.startswith("field 'device': this device cannot be used: "), said
        assert said.endswith(f"(got '{name}'); set it to cpu, or leave it out")
