"""The environment of every test: nothing is downloaded, and no cache outlives the session."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest

_CACHE = tempfile.TemporaryDirectory(prefix="relgen-tests-")

# before the first test file imports `datasets`
os.environ["HF_DATASETS_CACHE"] = _CACHE.name
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

_COMPUTES = re.compile(r"^pytestmark = .*\bmark\.compute\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files out that `make test-fast` would deselect: importing them takes seconds."""
    if not collection_path.match("test_*.py") or "not compute" not in config.option.markexpr:
        return None
    return bool(_COMPUTES.search(collection_path.read_text(encoding="utf-8"))) or None
