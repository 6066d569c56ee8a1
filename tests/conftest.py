"""The environment of every test: nothing is downloaded, and no cache outlives the session."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

_CACHE = tempfile.TemporaryDirectory(prefix="relgen-tests-")

# before the first test file imports `datasets`
os.environ["HF_DATASETS_CACHE"] = _CACHE.name
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

COMPUTE = (
    "tests/datamodules",
    "tests/relgen/classifiers",
    "tests/relgen/cli/commands/test_direct.py",
    "tests/relgen/cli/commands/test_predict.py",
    "tests/relgen/cli/test_lightning_cli.py",
    "tests/relgen/cli/test_run_settings.py",
    "tests/relgen/common/test_device.py",
    "tests/relgen/deployment",
    "tests/relgen/dpo/test_logps.py",
    "tests/relgen/dpo/test_memory.py",
    "tests/relgen/dpo/test_microbatch.py",
    "tests/relgen/dpo/test_tree_attention.py",
    "tests/relgen/evaluation/direct/test_reader.py",
    "tests/relgen/evaluation/diversity",
    "tests/relgen/generation/backends",
    "tests/relgen/generation/test_run.py",
    "tests/relgen/kernels",
    "tests/relgen/labelling",
    "tests/relgen/models",
    "tests/relgen/prediction/test_run.py",
    "tests/relgen/reporting",
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files out that `make test-fast` would deselect: importing them takes seconds."""
    return (_computes(collection_path) and "not compute" in config.option.markexpr) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run a network or draw charts; `make test-fast` leaves them out."""
    for item in items:
        if _computes(item.path):
            item.add_marker("compute")


def _computes(path: Path) -> bool:
    return path.relative_to(Path(__file__).parents[1]).as_posix().startswith(COMPUTE)
