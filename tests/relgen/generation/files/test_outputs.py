"""Output files: partial until the end, and recognised by their hash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.generation.files.outputs import OutputPaths, PartialFiles, total_counts
from relgen.generation.loop import RoundResult
from tests import tiny


def test_files_get_their_names_at_the_end(tmp_path: Path) -> None:
    paths = OutputPaths(tmp_path / "generated.jsonl")
    files = PartialFiles(paths)
    files.write(RoundResult(tiny.labelled()[:1], [{"reason": "too_long"}]))
    assert {path.name for path in tmp_path.iterdir()} == {
        "generated.partial.jsonl",
        "rejected.partial.jsonl",
    }
    assert not paths.finished("h", force=False)
    files.finish({"hash": "h", "output": "generated.jsonl"})
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
