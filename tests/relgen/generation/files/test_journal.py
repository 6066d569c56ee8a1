"""The journal: what it keeps, what it refuses, and who may write it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.generation.backends.base import Draft, DraftRequest
from relgen.generation.files.journal import Journal, Usage
from relgen.prompting.prompts import Prompt

PROMPT = Prompt("Write. ", (), "New: ", "\n")
REQUEST = DraftRequest(0, "obo/1/a/0", 96, True, None)
OTHER = DraftRequest(0, "obo/1/a/1", 96, True, None)
DRAFT = Draft("text", "stop", 3, (-1.0, None))


def journal(path: Path, header: str, drafts: int = 0) -> None:
    made = Journal(path, header)
    for request in (REQUEST, OTHER)[:drafts]:
        made.add([(request, PROMPT, DRAFT)], seconds=0.5, usage=Usage(10, 3, 1))


def test_drafts_come_back_and_a_torn_line_does_not(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal(path, "h", drafts=1)
    whole = path.read_bytes()
    with path.open("ab") as stream:
        stream.write(b'{"drafts": ["to')
    again = Journal(path, "h")
    assert again.find(REQUEST, PROMPT) == DRAFT
    assert again.find(OTHER, PROMPT) is None
    assert (again.seconds, again.usage) == (0.5, Usage(10, 3, 1))
    again.add([(REQUEST, PROMPT, DRAFT), (OTHER, PROMPT, DRAFT)], seconds=0.25)
    assert path.read_bytes().startswith(whole)
    last = json.loads(path.read_bytes().splitlines()[-1])
    assert [draft["key"] for draft in last["drafts"]] == [OTHER.key]  # the other one is known
    third = Journal(path, "h")
    assert third.find(OTHER, PROMPT) == DRAFT
    assert third.seconds == 0.75


def test_a_draft_for_another_prompt_is_refused(tmp_path: Path) -> None:
    journal(tmp_path / "journal", "h", drafts=1)
    again = Journal(tmp_path / "journal", "h")
    with pytest.raises(InputError, match=r"another prompt for the same step.*remove"):
        again.find(REQUEST, replace(PROMPT, demonstrations=("One.",)))


def test_other_settings_are_refused_once_something_was_drafted(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal(path, "first")
    journal(path, "second", drafts=1)
    with pytest.raises(InputError, match="other settings or inputs"):
        Journal(path, "third")
    forced = Journal(path, "third", force=True)
    assert forced.find(REQUEST, PROMPT) is None
    assert path.read_text() == '{"header": "third"}\n'


@pytest.mark.parametrize("line", ['{"keys": []}', "[1]", '{"drafts": [{}], "seconds": 0}'])
def test_a_line_of_another_shape_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "journal"
    path.write_text(f'{{"header": "h"}}\n{line}\n')
    with pytest.raises(InputError, match=r"this journal cannot be read.*remove"):
        Journal(path, "h")
