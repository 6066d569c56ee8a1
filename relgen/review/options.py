"""Options of `relgen review`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from relgen.common import POSITIONAL, InputFile, NonNegativeInt, PositiveInt

Tool = Literal["label-studio", "prodigy", "argilla"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOptions:
    """Check samples on a local web page, the most uncertain first, until Ctrl-C.

    The page shows one sentence at a time, with keys to accept it, to change its relation or its
    entities, or to reject it. Beside OUT, such as reviewed.jsonl, each decision is appended to
    reviewed.log.jsonl at once, from which the same command goes on. OUT gets, at the end, all
    samples that have a relation; of those reviewed, the person's label counts alone, and those
    rejected are marked, and read by no other command. With --export or --results, no page is
    opened.
    """

    samples: InputFile = field(metadata=POSITIONAL)
    """File of samples, as `relgen generate`, `relgen label` or `relgen data convert` writes it."""
    schema: str | None = None
    """Schema file, or the name of a shipped schema, whose relations are offered with their
    explanations; by default those that the file names.
    """
    out: str
    """File to write: the reviewed samples, or the tasks of --export."""
    votes: PositiveInt = 1
    """People who decide on each sentence; where they disagree, others see it too."""
    port: NonNegativeInt = 8001
    """Port of the page; 0 takes a free one."""
    export: Tool | None = None
    """Write tasks for this tool, with the present labels as suggestions."""
    force: bool = False
    """With --export, replace other tasks in the file."""
    results: InputFile | None = None
    """File that one of these tools exported after the review; its decisions are taken over."""
