"""Options of `relgen diversity`."""

from __future__ import annotations

from dataclasses import dataclass, field

from relgen.common import POSITIONAL, InputFile, PositiveInt


@dataclass(frozen=True, slots=True, kw_only=True)
class DiversityOptions:
    """Measure how different the samples of each relation are.

    With --against, both files are cut to the same number of samples per relation first, by a seeded
    draw.
    """

    samples: InputFile = field(metadata=POSITIONAL)
    """File of samples, such as generated.jsonl."""
    against: InputFile | None = None
    """Another file of samples to compare with, such as train.jsonl."""
    schema: str | None = None
    """Schema file, or the name of a shipped schema, to check the labels against."""
    encoder: str = "all-minilm-l6-v2"
    """Sentence encoder: embedded name, folder or Hub id."""
    size: PositiveInt | None = None
    """Samples per relation at most; by default all that there are."""
    seed: int = 1
    """Seed of the draw."""
    skip_bad: bool = False
    """Leave malformed lines out."""
    json: bool = False
    """Print JSON instead of the table."""
    out: str | None = None
    """File to write the figures to as well, as JSON."""
