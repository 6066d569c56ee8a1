"""`relgen data everyday`: the shipped corpus as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from relgen.common import read_text, refuse_other_readme, write_text
from relgen.data import load_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Write the corpus that relgen ships.

    The files are train.jsonl, dev.jsonl, test.jsonl, schema.yaml and README.md, its data card.
    """

    out: str
    """Folder to write."""


def run(options: Options) -> None:
    """Write the files."""
    from relgen.data.corpora import everyday

    out = Path(options.out)
    refuse_other_readme(out)
    for name in everyday.SPLITS:
        write_text(out / f"{name}.jsonl", read_text(everyday.split_path(name)))
    load_schema("everyday").save(out / "schema.yaml")
    write_text(out / "README.md", read_text(everyday.DATA_CARD))
    print(f"train, dev and test samples, schema.yaml and README.md -> {out}")
