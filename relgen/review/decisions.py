"""Decisions of reviewers, and the log that keeps them.

Every decision is a line of the log, from which the state is built again:

    {"decision": {"id": "s-1", "text": "…", "reviewer": "ann", "accepted": true,
                  "relation": "founded_by", "head": {"start": 0, "end": 3, "type": null},
                  "tail": {…}, "comment": "", "seconds": 7.5}}
    {"undo": {"id": "s-1", "text": "…", "reviewer": "ann"}}
    {"added": {…}}
    {"results": {"source": "label-studio:3", "decisions": […], "added": […]}}

A decision is about the sample with its id and text, whatever else the file under review holds.
`undo` takes back the last decision of a reviewer; `added` is a sample that a person wrote;
`results` are those of an annotation tool, and replace the earlier ones of the same source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from relgen.data import Entity, Sample


class ConflictError(Exception):
    """A decision on a sample that enough others have decided on already."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A reviewer's decision about a sample, made in `seconds`; offsets are in characters."""

    id: str
    text: str
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
        made = (True, self.relation, self.head.span, self.tail.span)
        return made if self.accepted else (False,)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Decision:
        """Return the decision of a decoded line."""
        return cls(**{**row, **{role: Entity(**row[role]) for role in ("head", "tail")}})


@dataclass(frozen=True, slots=True)
class Results:
    """The content of an annotation tool's export: its annotators' decisions, and new samples."""

    source: str
    decisions: list[Decision]
    added: list[Sample]

    def to_json(self) -> dict[str, Any]:
        """Return the object for a line of the log."""
        return {
            "source": self.source,
            "decisions": [asdict(decision) for decision in self.decisions],
            "added": [sample.to_json() for sample in self.added],
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Results:
        """Return the results of a decoded line."""
        decisions = [Decision.from_json(each) for each in row["decisions"]]
        return cls(row["source"], decisions, [Sample.from_json(each) for each in row["added"]])


def most_frequent(given: Iterable[Decision]) -> list[Decision]:
    """Return the decisions that agree and are more than any others, or none."""
    given = list(given)
    counts = Counter(decision.outcome for decision in given).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return []
    return [decision for decision in given if decision.outcome == counts[0][0]]
