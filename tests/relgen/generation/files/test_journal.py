"""The journal: what it keeps, what it refuses, and who may write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.generation.backends.base import Draft
from relgen.generation.files.journal import Journal, Round
from relgen.generation.files.json_log import LogInUseError

ROUND = Round(("obo/1/a/0",), (Draft("text", "stop", 3, (-1.0,)),), 0.5)


def journal(path: Path, header: str, rounds: int = 0) -> None:
    made = Journal(path, header)
    for _ in range(rounds):
        made.record(ROUND)
    made.close()


def test_rounds_come_back_and_a_torn_line_does_not(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal(path, "h", rounds=2)
    with path.open("ab") as stream:
        stream.write(b'{"keys": ["to')
    again = Journal(path, "h")
    assert len(again) == 2
    assert again.replay(ROUND.keys) == ROUND
    again.close()


def test_other_settings_are_refused_once_something_was_drafted(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal(path, "first")
    journal(path, "second", rounds=1)
    with pytest.raises(InputError, match="other settings or inputs"):
        Journal(path, "third")


def test_two_processes_cannot_write_one_journal(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal", "h")
    with pytest.raises(LogInUseError, match="another process is writing"):
        Journal(tmp_path / "journal", "h")
    first.close()
    Journal(tmp_path / "journal", "h").close()
