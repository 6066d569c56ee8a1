"""`relgen data card`: writes generated samples as a dataset folder with a card."""

from __future__ import annotations

from pathlib import Path

from relgen.common import check_outputs, counted, recorded
from relgen.data import CardOptions as Options


def run(options: Options) -> None:
    """Write the folder, and print how many samples it holds."""
    from relgen.data import write_dataset_folder

    card, samples = (Path(options.out) / name for name in ("README.md", "train.jsonl"))
    check_outputs([card, samples], [*options.generated, options.schema])
    with recorded([card, samples], "data card"):
        counts = write_dataset_folder(options)
    said = f"{counted(counts.total(), 'sample')} of {counted(len(counts), 'relation')}"
    print(f"{said} and a card -> {options.out}")
