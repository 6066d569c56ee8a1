"""Logs that a killed run resumes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.append_log import append_line, resume_log
from relgen.common.errors import InputError


@pytest.mark.parametrize("torn", ["", "[3, ", "[3]", '"\\ud8', "no JSON\n[3]\n"])
def test_complete_lines_come_back(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "new" / "log"
    assert resume_log(path, "h", force=False) == []
    append_line(path, ["é", 2])
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole + torn, encoding="utf-8")
    assert resume_log(path, "h", force=False) == [["é", 2]]
    assert path.read_text(encoding="utf-8") == whole


def test_results_under_another_header_are_kept_until_forced(tmp_path: Path) -> None:
    path = tmp_path / "log"
    resume_log(path, "first", force=False)
    assert resume_log(path, "second", force=False) == []  # nothing was lost
    append_line(path, 1)
    with pytest.raises(InputError, match=r"other settings or inputs; .*--force"):
        resume_log(path, "third", force=False)
    assert resume_log(path, "second", force=False) == [1]
    assert resume_log(path, "third", force=True) == []
    assert path.read_text() == '{"header": "third"}\n'
