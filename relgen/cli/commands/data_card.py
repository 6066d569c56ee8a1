"""`relgen data card`: writes generated samples as a dataset folder with a card."""

from __future__ import annotations

from pathlib import Path

from relgen.common import refuse_inputs, refuse_other_readme
from relgen.data import CardOptions as Options


def run(options: Options) -> None:
    """Write the folder, and print how many samples it holds."""
    from relgen.data import write_dataset_folder

    refuse_inputs([Path(options.out) / "train.jsonl"], options.generated)
    refuse_other_readme(options.out)
    counts = write_dataset_folder(options)
    print(f"{counts.total()} samples of {len(counts)} relations and a card -> {options.out}")
