"""Divides the relations of a generation into shards for several machines.

A relation's drafts depend on its own chains only, so that all shards together write the samples of
an undivided run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relgen.common import InputError, counted


@dataclass(frozen=True, slots=True)
class RelationShard:
    """Shard `index` of `number`, counted from 1."""

    index: int
    number: int

    @classmethod
    def parse(cls, text: str) -> RelationShard:
        """Parse `2/4`; raise InputError for anything else."""
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(
                "must be i/n with i from 1 to n", field="shard", value=text, remedy="such as 1/4"
            )
        return cls(int(found[1]), int(found[2]))

    def part(self, items: Sequence[Any]) -> list[Any]:
        """Return every n-th item; raise InputError if there are fewer items than shards."""
        if len(items) < self.number:
            raise InputError(
                f"only {counted(len(items), 'relation')} to generate for",
                field="shard",
                value=str(self),
                remedy=f"use at most {counted(len(items), 'shard')}",
            )
        return list(items[self.index - 1 :: self.number])

    def path(self, out: Path) -> Path:
        return out.parent / f"{out.stem}.shards" / f"{self.index}-of-{self.number}" / out.name

    def __str__(self) -> str:
        return f"{self.index}/{self.number}"
