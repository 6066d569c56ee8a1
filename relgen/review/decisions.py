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
from typing import Any

from relgen.data import Entity


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
