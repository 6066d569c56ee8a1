"""The log of a review: killed anywhere it goes on, and what is no log is left alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity

from .people import ORDER, decision, session


def test_a_review_goes_on_after_a_kill_at_any_byte(tmp_path: Path) -> None:
    made = session(tmp_path)
    made.decide(decision("torn", relation="lives_in", comment="no: “lives” 🙂"))
    made.decide(decision("unsure", accepted=False))
    made.undo("ann")
    made.decide(decision("unsure", "bob"))
    whole = made.log.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    # how many sentences are decided on after each line: header, decision, decision, undo, decision
    expected = dict(zip(ends, [0, 1, 2, 1, 2], strict=True))
    for killed in range(len(whole) + 1):
        made.log.write_bytes(whole[:killed])
        again = session(tmp_path)
        lines = max((end for end in ends if end <= killed), default=0)
        assert again.progress()["done"] == expected.get(lines, 0), killed
        # and the next decision is a line of its own
        again.decide(decision("unread", "cem"))
        assert session(tmp_path).decisions["unread"]["cem"] == decision("unread", "cem")
    again = session(tmp_path)
    assert (again.decisions["torn"], again.results()) == (made.decisions["torn"], again.results())
    assert [name for name in ORDER if again.decisions[name]] == ["torn", "unsure", "unread"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"my notes\nof today\n", "this is not a log that relgen wrote; give another --out"),
        (b'{"header": "other"}\n{"undo": "ann"}\n', "this log is not of a review"),
        (b'{"header": "review"}\nx\n{"undo": "ann"}\n', r"out\.log\.jsonl:2: not valid JSON"),
        (b'{"header": "review"}\n{"undo": "ann"}\n', r"cannot be used.*correct or remove the line"),
        (b'{"header": "review"}\n{"decision": {"id": "x"}}\n', "cannot be used"),
        (
            json.dumps({"header": "review"}).encode()
            + b"\n"
            + json.dumps({"decision": asdict(decision("torn", relation="born_in"))}).encode()
            + b"\n",
            "cannot be used .*field 'relation': not a relation of schema 's'",
        ),
    ],
)
def test_what_is_no_log_is_refused_and_left_as_it_is(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "out.log.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=problem):
        session(tmp_path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("changes", "agree"),
    [
        ({"comment": "sure", "seconds": 1.0}, True),
        ({"head": Entity(2, 6, "PLACE")}, True),  # a type is nothing that the page asks for
        ({"head": Entity(0, 6)}, False),
        ({"relation": "none"}, False),
        ({"accepted": False}, False),
    ],
)
def test_when_two_agree(changes: dict, agree: bool) -> None:
    assert (decision("sure").outcome == decision("sure", "bob", **changes).outcome) == agree
    rejected = decision("sure", accepted=False)
    assert rejected.outcome == decision("sure", "bob", accepted=False, relation=None).outcome
