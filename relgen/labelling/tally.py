"""Writes labelled samples, and counts them: how many, and how many labels agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from relgen.common import row_writer
from relgen.data import RelationSchema, Sample
from relgen.evaluation import score

if TYPE_CHECKING:
    import pyarrow

Row = dict[str, Any]
"""A labelled `sample` as JSON, and its relation before as `intended`."""


@dataclass
class Tally:
    """Counts that can be added up: of samples left out by reason, uncertain, and kept.

    Those kept are counted by intended relation, None without one, and label.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    uncertain: int = 0
    kept: Counter[tuple[str | None, str]] = field(default_factory=Counter)

    def add(self, row: dict[str, Any]) -> None:
        """Add what `to_json` has written."""
        self.left_out.update(row["left_out"])
        self.uncertain += row["uncertain"]
        self.kept.update({(old, new): number for old, new, number in row["kept"]})

    def to_json(self) -> dict[str, Any]:
        """Return the counts for a file."""
        kept = [[*pair, number] for pair, number in self.kept.items()]
        return {"left_out": self.left_out, "uncertain": self.uncertain, "kept": kept}

    def summary(self, schema: RelationSchema) -> dict[str, Any]:
        """Return the counts by relation, and how many labels agree.

        `given_micro_f1` is the labels' score against the intended relations, None without any: the
        quality of the labelling if these are true, as in a test set.
        """
        counts = {name: Counter[str]() for name in ("intended", "labelled", "agreed")}
        places = {label: row for row, label in enumerate(schema.labels)}
        confusion = torch.zeros(len(schema), len(schema), dtype=torch.long)
        for (old, new), number in self.kept.items():
            counts["labelled"][new] += number
            if old is not None:
                counts["intended"][old] += number
                counts["agreed"][old] += number * (old == new)
                confusion[places[old], places[new]] += number
        return {
            "samples": self.kept.total(),
            "uncertain": self.uncertain,
            "left_out": {why: number for why, number in self.left_out.items() if number},
            "agreed": counts["agreed"].total(),
            "given_micro_f1": score(confusion, schema).micro_f1 if confusion.any() else None,
            "relations": {
                label: {name: count[label] for name, count in counts.items()}
                for label in schema.labels
            },
            "read_as": {
                label: {new: n for (old, new), n in self.kept.items() if old == label != new}
                for label in dict.fromkeys(old for old, new in self.kept if old not in (None, new))
            },
        }


def certainty(row: Row) -> float:
    """Return the probability of a row's label."""
    sample = row["sample"]
    return float(sample["scores"][sample["relation"]])


def write_labelled(
    rows: Iterable[Row],
    reviewed: Iterable[Sample],
    files: tuple[Path, Path],
    columns: Callable[[], pyarrow.Schema],
    *,
    least: float,
    chosen: Collection[int] | None = None,
) -> Tally:
    """Write the samples of rows to the first file, and those below `least` to the second, if any.

    With `chosen`, of the others only those with these numbers. Reviewed samples follow as they are.
    """
    tally, (out, rest) = Tally(), files
    with ExitStack() as stack:
        write, write_rest = stack.enter_context(row_writer(out, columns)), None
        for number, row in enumerate(rows):
            if certainty(row) < least:
                write_rest = write_rest or stack.enter_context(row_writer(rest, columns))
                write_rest([row["sample"]])
                tally.uncertain += 1
            elif chosen is None or number in chosen:
                write([row["sample"]])
                tally.kept[row["intended"], row["sample"]["relation"]] += 1
        for sample in reviewed:
            write([sample.to_json()])
            tally.kept[None, sample.relation] += 1
    if not tally.uncertain:
        rest.unlink(missing_ok=True)
    return tally
