"""Output files: recognised by their hash, and their counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.generation.files.outputs import OutputPaths, total_counts
from tests import tiny


def test_a_finished_generation_is_recognised_by_its_hash(tmp_path: Path) -> None:
    paths = OutputPaths(tmp_path / "generated.jsonl")
    assert not paths.finished("h", force=False)
    summary = {"hash": "h", "output": "generated.jsonl"}
    paths.write(tiny.labelled()[:1], [{"reason": "too_long"}], summary)
    assert json.loads(paths.rejected.read_text()) == {"reason": "too_long"}
    assert paths.finished("h", force=False)
    with pytest.raises(InputError, match="give --force"):
        paths.finished("other", force=False)
    assert not paths.finished("other", force=True)
    assert not paths.generated.exists()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this is a folder"):
        OutputPaths(tmp_path).finished("h", force=True)


def test_counts_add_up() -> None:
    found = total_counts(
        {
            "a": {"accepted": 1, "tokens": 20, "rejected": {"duplicate": 2}},
            "b": {"accepted": 3, "tokens": 5, "rejected": {"duplicate": 1, "too_long": 4}},
        },
        1.23456,
    )
    del found["relations"]
    assert found == {
        "accepted": 4,
        "rejected": {"duplicate": 3, "too_long": 4},
        "seconds": 1.235,
        "tokens": 25,
    }
