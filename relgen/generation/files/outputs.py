"""Name and write the output files of a generation, and recognise those of a finished one.

The samples come last: where `generated.jsonl` and its summary exist, the generation is finished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relgen.common import InputError, read_json, write_json, write_jsonl
from relgen.data import Sample
from relgen.generation.states import RelationState


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """The paths of all files, derived from that of the accepted samples."""

    generated: Path

    @property
    def rejected(self) -> Path:
        return self.generated.with_name("rejected.jsonl")

    @property
    def summary(self) -> Path:
        return self.generated.with_name("generation.json")

    @property
    def journal(self) -> Path:
        return self.generated.with_name(f".{self.generated.name}.journal.jsonl")

    def finished(self, header: str, *, force: bool) -> bool:
        """Return True if the generation with this hash is already finished.

        `force` removes the output of other settings or inputs.

        Raises:
            InputError: the output of another generation exists here.
        """
        if self.generated.is_dir():
            raise InputError(
                "this is a folder",
                path=self.generated,
                remedy="name a file: --out …/generated.jsonl",
            )
        before = read_json(self.summary) if self.summary.exists() else {}
        same = isinstance(before, dict) and before.get("hash") == header
        if same and before.get("output") == self.generated.name:
            return self.generated.exists()
        foreign = [path for path in (self.generated, self.summary) if path.exists()]
        if foreign and not force:
            raise InputError(
                "the output of a generation with other settings or inputs is here",
                path=foreign[0],
                remedy="choose another folder for --out, or give --force to replace it",
            )
        for path in foreign:
            path.unlink()
        return False

    def write(
        self,
        samples: Iterable[Sample],
        rejected: Iterable[dict[str, Any]],
        summary: dict[str, Any],
    ) -> None:
        """Write all files, the samples last."""
        write_jsonl(self.rejected, rejected)
        write_json(self.summary, summary)
        write_jsonl(self.generated, (sample.to_json() for sample in samples))


def summarise(states: Sequence[RelationState], seconds: float) -> dict[str, Any]:
    """Return the counts for `generation.json`."""
    relations = {
        state.relation.name: {
            "accepted": state.accepted,
            "wanted": state.wanted,
            "drafts": state.drafts,
            "tokens": state.tokens,
            "rejected": dict(sorted(state.rejected.items())),
        }
        for state in states
    }
    return total_counts(relations, seconds)


def total_counts(relations: dict[str, dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Add the relations' counts up."""
    rejected: Counter[str] = Counter()
    for entry in relations.values():
        rejected.update(entry["rejected"])
    return {
        "accepted": sum(entry["accepted"] for entry in relations.values()),
        "rejected": dict(sorted(rejected.items())),
        "seconds": round(seconds, 3),
        "tokens": sum(entry["tokens"] for entry in relations.values()),
        "relations": relations,
    }
