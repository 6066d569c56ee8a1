"""`relgen data card`: writes generated samples as a dataset folder with a card."""

from __future__ import annotations

from pathlib import Path

from relgen.common import check_outputs, counted, refuse_foreign, unfinished
from relgen.data import CardOptions as Options


def run(options: Options) -> None:
    """Write the folder, and print how many samples it holds."""
    from relgen.data import write_dataset_folder

    card, samples = (Path(options.out) / name for name in ("README.md", "train.jsonl"))
    check_outputs([card, samples], [*options.generated, options.schema])
    # the tags of cards that relgen writes
    if not card.is_file() or b"- synthetic\n- relgen\n" not in card.read_bytes():
        refuse_foreign([card, samples], "data card")
    with unfinished(options.out, "data card", [card.name, samples.name]):
        counts = write_dataset_folder(options)
    said = f"{counted(counts.total(), 'sample')} of {counted(len(counts), 'relation')}"
    print(f"{said} and a card -> {options.out}")
