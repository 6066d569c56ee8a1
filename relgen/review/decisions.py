"""Decisions of reviewers, and the log that keeps them.

Every decision is a line of the log, from which the state is built again:

    {"decision": {"id": "s-1", "reviewer": "ann", "accepted": true, "relation": "founded_by",
                  "head": {"start": 0, "end": 3, "type": null}, "tail": {…}, "comment": "",
                  "seconds": 7.5}}
    {"undo": "ann"}
    {"added": {…}}

`undo` takes back the last decision of a reviewer; `added` is a sample that a person wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relgen.common import InputError, decode_json, resume_log
from relgen.data import Entity

CORRECT = "correct or remove the line, or choose another --out"
_OTHER_OUT = "choose another --out"


class ConflictError(Exception):
    """A decision on a sample that enough others have decided on already."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A reviewer's decision about a sample, made in `seconds`; offsets are in characters."""

    id: str
    reviewer: str
    accepted: bool
    relation: str | None
    head: Entity
    tail: Entity
    comment: str = ""
    seconds: float = 0.0

    @property
    def outcome(self) -> tuple[Any, ...]:
        """Return what two reviewers who agree have in common."""
        spans = [(entity.start, entity.end) for entity in (self.head, self.tail)]
        return (True, self.relation, *spans) if self.accepted else (False,)


def read_log(log: Path, header: str) -> list[Any]:
    """Return the lines of a log, without an unfinished last one, which a kill has left.

    Raises InputError, and changes nothing, if the file is no such log, or of other samples.
    """
    whole, rest = [], b""
    if log.exists():
        *whole, rest = log.read_bytes().split(b"\n")
    for number, line in enumerate(whole, start=1):
        try:
            row = decode_json(line)
        except InputError as error:
            raise error.at(path=log, line=number, remedy=CORRECT) from error
        if number == 1 and not (isinstance(row, dict) and "header" in row):
            raise InputError("this is no log of a review", path=log, remedy=_OTHER_OUT)
    if not whole and not b'{"header":'.startswith(rest[:10]):
        raise InputError("this is no log of a review", path=log, remedy=_OTHER_OUT)
    try:
        return resume_log(log, header, force=False)
    except InputError as error:
        problem = "this log is of a review of other samples"
        raise InputError(problem, path=log, remedy=_OTHER_OUT) from error
