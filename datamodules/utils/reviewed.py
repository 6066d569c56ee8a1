"""Puts samples that people reviewed in the place of those that they were."""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset, concatenate_datasets

from relgen.data import load_table


class Reviewed:
    """The output of `relgen review`.

    A sample is known again by its id and its text, since runs of other seeds have the same ids.
    """

    def __init__(self, path: str | Path) -> None:
        self.table = load_table(path, rejected=True)
        keys = zip(self.table["id"], self.table["text"], self.table["review"], strict=True)
        self._rows = {
            (name, text): None if review["decision"] == "rejected" else row
            for row, (name, text, review) in enumerate(keys)
            if review["reviewer"] and review["decision"] != "added"
        }

    def __len__(self) -> int:
        """Return the number of samples that people decided on, without those that they added."""
        return len(self._rows)

    def applied(self, table: Dataset) -> tuple[Dataset, int]:
        """Return a table with the reviewed samples in it and without those rejected.

        Also return how many of its samples people decided on.
        """
        keys = list(zip(table["id"], table["text"], strict=True))
        stay = [row for row, key in enumerate(keys) if key not in self._rows]
        taken = [row for key in keys if (row := self._rows.get(key)) is not None]
        parts = [table.select(stay), self.table.select(taken)]
        return concatenate_datasets(parts), len(keys) - len(stay)

    def written(self) -> Dataset:
        """Return the samples that people added."""
        pairs = enumerate(self.table["review"])
        return self.table.select([row for row, one in pairs if one["decision"] == "added"])
