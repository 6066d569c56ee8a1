"""`relgen data everyday`: the shipped corpus as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from relgen.common import refuse_other_readme
from relgen.data.corpora import save_everyday


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Write the corpus that relgen ships.

    The files are train.jsonl, dev.jsonl, test.jsonl, schema.yaml and README.md, its data card.
    """

    out: str
    """Folder to write."""


def run(options: Options) -> None:
    """Write the files."""
    refuse_other_readme(options.out)
    save_everyday(options.out)
    print(f"train, dev and test samples, schema.yaml and README.md -> {Path(options.out)}")
