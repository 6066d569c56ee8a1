"""The peak memory of reading and generating with a model of half a billion parameters.

`RELGEN_TEST_GGUF` names its GGUF file. Run with `-s` to see the figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relgen.data.corpora.everyday import save_everyday
from relgen.models.causal_lm import load_config
from relgen.models.gguf import converted
from relgen.models.memory import ModelMemory

GGUF = Path(os.environ.get("RELGEN_TEST_GGUF", "none.gguf"))
CHAINS, SLOTS = 27, 512  # three for each of nine relations, and the tokens that a row holds
OTHERS = 0.8e9  # libraries, of which 0.5, and activations

pytestmark = [
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.skipif(not GGUF.is_file(), reason="RELGEN_TEST_GGUF names no file"),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    save_everyday(folder)
    for name, start in (("train", 0), ("test", 3)):
        lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / f"{name}.jsonl").write_text("".join(lines[start::9]), encoding="utf-8")
    return folder


def peak(data: Path, command: str, model: Path, dtype: str, out: Path, *options: str) -> int:
    line = [command, *options, "--model", str(model), "--dtype", dtype, "--out", str(out)]
    line += ["--train", str(data / "train.jsonl"), "--schema", str(data / "schema.yaml")]
    found = subprocess.run(
        [sys.executable, "-m", "tests.integration.peak_memory", *line],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return int(found.stdout.splitlines()[-1])


@pytest.mark.timeout(1600)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "int8"])
@pytest.mark.parametrize("command", ["label", "generate"])
def test_bounds(command: str, dtype: str, data: Path, tmp_path: Path) -> None:
    model = converted(GGUF)
    memory = ModelMemory.of(load_config(str(model)), dtype)
    if command == "label":
        bound, options = 1.1 * memory.weights + OTHERS, [str(data / "test.jsonl")]
    else:
        bound = 1.15 * memory.weights + CHAINS * SLOTS * memory.cached + OTHERS
        options = ["-c", "generate/smollm2_obo", "--chains", "3", "--samples", "3"]
        options += ["--max-new-tokens", "24", "--max-drafts-per-sample", "1"]
    found = peak(data, command, model, dtype, tmp_path / "out.jsonl", *options)
    figures = (f"{size / 1e9:.2f}" for size in (memory.weights, found, bound))
    print("\n|", " | ".join([command, dtype, *figures]), "|")
    assert found <= bound


@pytest.mark.timeout(1600)
def test_converting_and_labelling(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELGEN_CACHE", str(tmp_path / "cache"))
    out, test = tmp_path / "out.jsonl", data / "test.jsonl"
    found = peak(data, "label", GGUF, "bfloat16", out, str(test))
    (copy,) = (tmp_path / "cache").glob("*/config.json")
    weights = ModelMemory.of(load_config(str(copy.parent)), "bfloat16").weights
    assert found <= 1.3 * weights + OTHERS
    assert len(out.read_text().splitlines()) == len(test.read_text().splitlines())
