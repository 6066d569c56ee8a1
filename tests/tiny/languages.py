"""A corpus of two relations in twelve languages, with five sentences of each relation."""

from __future__ import annotations

from pathlib import Path

from relgen.data.samples import Sample
from relgen.data.schema import Relation, RelationSchema
from tests.tiny.samples import tagged

LANGUAGES = {
    "English": "en",
    "German": "de",
    "Russian": "ru",
    "Greek": "el",
    "Arabic": "ar",
    "Hebrew": "he",
    "Hindi": "hi",
    "Bengali": "bn",
    "Thai": "th",
    "Chinese": "zh",
    "Japanese": "ja",
    "Korean": "ko",
}
BIRTHS_AND_JOBS = RelationSchema(
    "births-and-jobs",
    (
        Relation("born_in", "The head is a person who was born in the tail, a place."),
        Relation("works_for", "The head is a person who is employed by the tail."),
    ),
)


def corpus(language: str) -> list[Sample]:
    """Return the samples of a language: five births, then five jobs."""
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    blocks = (block.splitlines() for block in text.split("\n\n"))
    lines = next(rest for name, *rest in blocks if name == language)
    return [
        tagged(line, name=f"{LANGUAGES[language]}{number}", relation=relation)
        for number, line in enumerate(lines)
        for relation in [("born_in", "works_for")[number // 5]]
    ]
