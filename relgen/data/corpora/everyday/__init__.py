"""The corpus that relgen ships: nine relations of everyday English, in three splits.

DATA_CARD.md in this folder describes it. Its schema is `relgen/data/schemas/everyday.yaml`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from relgen.common import read_text, write_text
from relgen.data.samples import Sample, read_samples
from relgen.data.schema import load_schema

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
DATA_CARD = Path(__file__).parent / "DATA_CARD.md"


def split_path(split: Split) -> Path:
    """Return the samples file of a split."""
    return Path(__file__).parent / f"{split}.jsonl"


def read_split(split: Split) -> list[Sample]:
    """Read the samples of a split."""
    return read_samples(split_path(split))


def save_everyday(folder: str | Path) -> None:
    """Write the splits, `schema.yaml` and the data card as README.md to a folder."""
    folder = Path(folder)
    for split in SPLITS:
        write_text(folder / f"{split}.jsonl", read_text(split_path(split)))
    load_schema("everyday").save(folder / "schema.yaml")
    write_text(folder / "README.md", read_text(DATA_CARD))
