"""What a model needs is computed before its weights load, and what cannot fit is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig

from relgen.cli import main as cli
from relgen.data.corpora.everyday import save_everyday
from relgen.models import memory
from relgen.models.memory import ModelMemory
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
    assert ModelMemory.of(config, **options).weights == expected


@pytest.mark.parametrize(
    ("dtype", "size", "widest"), [("float32", 4, 4), ("bfloat16", 2, 2), ("int8", 2, 4)]
)
def test_bytes_of_tokens(dtype: Any, size: int, widest: int) -> None:
    found = ModelMemory.of(LlamaConfig(**tiny.SIZES), dtype)
    assert found.cached == 2 * 2 * (2 * 8) * size  # layers, keys and values, heads of 8 numbers
    assert found.activations == (4 * 48 + 6 * 32) * widest
    assert found.logits == 4 * 600


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("command", ["generate", "label", "suggest", "reader", "direct"])
def test_a_model_larger_than_memory_is_refused(
    command: str,
    dtype: str,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda device: 100_000)
    line = {
        "generate": "generate",
        "label": f"label {data}/test.jsonl",
        "suggest": f"suggest --unlabelled {data}/test.jsonl",
        "reader": f"reader --test {data}/test.jsonl",
        "direct": f"direct --test {data}/test.jsonl",
    }[command]
    options = f"--model {data}/model --train {data}/train.jsonl --schema {data}/schema.yaml"
    out = ["--dtype", dtype, "--out", str(data / f"{command}-{dtype}")]
    assert cli.main([*line.split(), *options.split(), *out]) == 2
    said = capsys.readouterr().err
    assert f"for its weights in {dtype}), and this machine has 0.0 GiB of memory left" in said
    assert "use a smaller model" in said
    assert ("dtype: int8" in said) == (dtype == "float32")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    save_everyday(folder)
    tiny.save_model(folder / "model")
    return folder
