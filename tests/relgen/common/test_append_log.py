"""Logs that a killed run resumes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.append_log import append_line, resume_log
from relgen.common.errors import InputError


@pytest.mark.parametrize("torn", ["", "[3, ", "[3]", '"\\ud8'])
def test_complete_lines_come_back(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "new" / "log"
    assert resume_log(path, "h") == []
    append_line(path, ["é", 2])
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole + torn, encoding="utf-8")
    assert resume_log(path, "h") == [["é", 2]]
    assert path.read_text(encoding="utf-8") == whole


def test_results_under_another_header_are_kept_until_forced(tmp_path: Path) -> None:
    path = tmp_path / "log"
    resume_log(path, "first")
    assert resume_log(path, "second") == []  # nothing was lost
    append_line(path, 1)
    with pytest.raises(InputError, match=r"other settings or inputs; .*--force"):
        resume_log(path, "third")
    assert resume_log(path, "second") == [1]
    assert resume_log(path, "third", force=True) == []
    assert path.read_text() == '{"header": "third"}\n'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"notes", "this is not a log that relgen wrote"),
        (b'{"id": 1}\n', "this is not a log that relgen wrote"),
        (
            b'{"header": "h"}\nno JSON\n[3]\n',
            r"log:2: not valid JSON.*correct or remove the",
        ),
    ],
)
def test_what_cannot_be_read_is_left_alone_and_files_of_others_for_good(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(InputError, match=problem):
        resume_log(path, "h")
    assert path.read_bytes() == content
    if content.startswith(b'{"header"'):
        assert resume_log(path, "h", force=True) == []
        assert path.read_text() == '{"header": "h"}\n'
    else:
        with pytest.raises(InputError, match=f"{problem}; give another --out"):
            resume_log(path, "h", force=True)
        assert path.read_bytes() == content
