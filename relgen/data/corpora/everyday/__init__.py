"""The corpus that relgen ships: nine relations of everyday English, in three splits.

See DATA_CARD.md beside this file for what it holds, how it was made, and its limits. Its schema is
`relgen/data/schemas/everyday.yaml`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from relgen.data.samples import Sample, read_samples

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
DATA_CARD = Path(__file__).parent / "DATA_CARD.md"


def split_path(split: Split) -> Path:
    """The samples file of a split."""
    return Path(__file__).parent / f"{split}.jsonl"


def read_split(split: Split) -> list[Sample]:
    """The samples of a split."""
    return read_samples(split_path(split))
