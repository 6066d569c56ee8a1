"""The corpus that relgen ships: nine relations of everyday English, in three splits.

DATA_CARD.md in this folder describes it. Its schema is `relgen/data/schemas/everyday.yaml`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from relgen.common import find_schema, read_text, refuse_foreign, write_text
from relgen.data.samples import Sample, read_samples

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
    """Write the splits, `schema.yaml` and the data card as README.md to a folder.

    Raises InputError if another file of one of these names is there.
    """
    folder = Path(folder)
    files = {folder / f"{split}.jsonl": read_text(split_path(split)) for split in SPLITS}
    files[folder / "README.md"] = read_text(DATA_CARD)
    files[folder / "schema.yaml"] = read_text(find_schema("everyday"))
    for path, text in files.items():
        if not path.is_file() or path.read_bytes() != text.encode():
            refuse_foreign([path], "data everyday")
    for path, text in files.items():
        write_text(path, text)
