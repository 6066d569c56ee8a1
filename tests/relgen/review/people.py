"""Samples to review, and reviewers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation, RelationSchema
from relgen.review.decisions import Decision
from relgen.review.session import Session

SCHEMA = RelationSchema(
    "s",
    (
        Relation("founded_by", "The head was founded by the tail.", ("ORG",), ("PERSON",)),
        Relation("lives_in", "The head lives in the tail.", ("PERSON",)),
        Relation("none", "Neither."),
    ),
    "none",
)


def sample(name: str, *scores: float, relation: str = "founded_by", **others: Any) -> Sample:
    """Acme is the head and Ann the tail, after a letter of two UTF-16 units."""
    found = dict(zip(SCHEMA.labels, scores, strict=True)) if scores else None
    head, tail = Entity(2, 6, "ORG"), Entity(22, 25, "PERSON")
    text = "🙂 Acme was founded by Ann in Bern."
    return Sample(name, text, head, tail, relation, "generated", scores=found, **others)


# the first is certain, the second and the third are not, and of the last nothing is known
SAMPLES = [
    sample("sure", 0.9, 0.1, 0.0),
    sample("torn", 0.4, 0.4, 0.2),
    sample("unsure", 0.5, 0.3, 0.2),
    sample("unread"),
]
ORDER = ["torn", "unsure", "sure", "unread"]


def session(folder: Path, votes: int = 1, samples: list[Sample] = SAMPLES) -> Session:
    return Session(samples, SCHEMA, folder / "out.log.jsonl", votes=votes)


def decision(name: str, reviewer: str = "ann", **changes: Any) -> Decision:
    """Accept a sample as it is, but for the changes."""
    one = next(each for each in SAMPLES if each.id == name)
    given = {"accepted": True, "relation": one.relation, "head": one.head, "tail": one.tail}
    return Decision(name, one.text, reviewer, **{**given, "seconds": 6.0, **changes})
