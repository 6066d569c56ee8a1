"""`relgen data card`: generated samples as a dataset folder with a card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from relgen.common import POSITIONAL, PositiveInt, refuse_inputs, refuse_other_readme
from relgen.data import load_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Gather generated samples in a folder with a dataset card, ready for the Hub.

    Nothing is uploaded.
    """

    generated: list[str] = field(metadata=POSITIONAL)
    """Files of generated samples."""
    schema: str
    """Schema file, or the name of a shipped schema."""
    license: str
    """Licence of the labelled seed data, e.g. cc-by-3.0."""
    title: str | None = None
    """Heading of the card; by default from the schema's name."""
    language: str = "en"
    """Language of the sentences (ISO 639-1)."""
    first: PositiveInt | None = None
    """Take the first N samples written for each relation only."""
    out: str
    """Folder to write."""


def run(options: Options) -> None:
    """Write the folder, and print how many samples it holds."""
    from relgen.data import write_dataset_folder

    refuse_inputs([Path(options.out) / "train.jsonl"], options.generated)
    refuse_other_readme(options.out)
    counts = write_dataset_folder(
        options.generated,
        options.out,
        schema=load_schema(options.schema),
        seed_license=options.license,
        title=options.title,
        language=options.language,
        first=options.first,
    )
    print(f"{counts.total()} samples of {len(counts)} relations and a card -> {options.out}")
