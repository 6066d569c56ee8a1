"""The wheel carries what an installed relgen needs: presets, schemas, the corpus, the templates."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, outside the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True, timeout=300)
    with zipfile.ZipFile(next(folder.glob("relgen_re-*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_it_finds_its_presets_and_its_corpus(unpacked: Path, tmp_path: Path) -> None:
    code = """
from pathlib import Path
import relgen, lightning_modules, datamodules
from relgen.cli.main import main
from relgen.common.presets import list_configs
print(relgen.__file__)
print(*list_configs())
assert main(["data", "everyday", "--out", "corpus"]) == 0
assert main(["run", "everyday", "--dry-run", "--out", "run"]) == 0
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(unpacked)!r})\n{code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(unpacked))
    presets = set(done.stdout.splitlines()[1].split())
    assert {"dpo/smollm2", "experiments/everyday", "classifier/entity_marker"} <= presets
    assert (tmp_path / "corpus" / "train.jsonl").is_file()
    for name in (
        "relgen/py.typed",
        "relgen/reporting/templates/report.css",
        "relgen/data/schemas/semeval.yaml",
    ):
        assert (unpacked / name).exists()
