"""Weights that cannot fit are refused before they are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from relgen.cli import main as cli
from relgen.data.corpora.everyday import save_everyday
from relgen.models import memory
from relgen.models.memory import weight_bytes
from tests import tiny

pytestmark = pytest.mark.compute

EMBEDDING, LINEAR, NORMS = 600 * 32, 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48), 5 * 32


@pytest.mark.parametrize(
    ("options", "tied", "expected"),
    [
        ({"dtype": "float32"}, True, 4 * (EMBEDDING + LINEAR + NORMS)),
        ({"dtype": "bfloat16"}, False, 2 * (2 * EMBEDDING + LINEAR + NORMS)),
        ({"dtype": "int8"}, True, 2 * (EMBEDDING + NORMS) + EMBEDDING + LINEAR),
        ({"dtype": "int8"}, False, 2 * (EMBEDDING + NORMS) + EMBEDDING + LINEAR),
        (
            {"dtype": "bfloat16", "quantization": "nf4"},
            True,
            int(2 * (EMBEDDING + NORMS) + 0.55 * LINEAR),
        ),
    ],
)
def test_bytes_of_weights(options: dict[str, Any], tied: bool, expected: int) -> None:
    config = LlamaConfig(**{**tiny.SIZES, "tie_word_embeddings": tied})
    assert weight_bytes(config, **options) == expected


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_model_larger_than_memory_is_refused(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "device_memory", lambda device: 10_000)
    save_everyday(tmp_path / "data")
    model, data = tiny.save_model(tmp_path / "model"), tmp_path / "data"
    line = f"generate --model {model} --train {data}/train.jsonl --schema {data}/schema.yaml"
    assert cli.main([*line.split(), "--dtype", dtype, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"GiB in {dtype}, and this machine has 0.0 GiB of memory" in said
    remedy = "use a smaller model" if dtype == "int8" else "try dtype: int8, or a smaller one"
    assert remedy in said


def test_the_memory_of_this_machine() -> None:
    assert memory.device_memory(torch.device("cpu")) > 2**30
