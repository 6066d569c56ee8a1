"""Models' names, which are checked without loading what they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.models.name_check import check_name
from tests import tiny

pytestmark = pytest.mark.compute


def test_embedded_names_and_folders_are_known(tmp_path: Path) -> None:
    tiny.save_model(tmp_path / "own", "qwen2")
    (tmp_path / "own" / "model.safetensors").unlink(missing_ok=True)  # weights are not read
    for name in ("smollm2-135m-instruct", "all-minilm-l6-v2", str(tmp_path / "own")):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/at-all", "nor in the local Hub cache"),
        ("./none", "no such folder"),
        ("none.gguf", "no such file"),
        ("none/at-all:x.gguf", "hf download none/at-all x.gguf"),
    ],
)
def test_others_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_name(name)
