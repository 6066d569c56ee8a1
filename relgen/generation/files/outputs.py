"""Write the output files of a generation, first under partial names that a person can watch.

In the end the partial files are renamed, the samples last: where `generated.jsonl` and its summary
exist, the generation is finished.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from relgen.common import InputError, read_json, write_json
from relgen.generation.loop import RoundResult
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

    def partial(self, path: Path) -> Path:
        return path.with_name(f"{path.stem}.partial{path.suffix}")

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


class PartialFiles:
    """Writes samples and rejections as they arrive, and renames the files in the end.

    A resumed run rewrites them from the journal.
    """

    def __init__(self, paths: OutputPaths) -> None:
        self._paths = paths
        self._streams: dict[Path, IO[str]] = {}
        for path in (paths.rejected, paths.generated):
            stream = paths.partial(path).open("w", encoding="utf-8", newline="\n")
            self._streams[path] = stream

    def write(self, result: RoundResult) -> None:
        """Append the results of a round."""
        accepted = [sample.to_json() for sample in result.accepted]
        rows = {self._paths.generated: accepted, self._paths.rejected: result.rejected}
        for path, entries in rows.items():
            stream = self._streams[path]
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in entries)
            stream.flush()

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the summary and give all files their final names, the samples last."""
        for stream in self._streams.values():
            os.fsync(stream.fileno())
            stream.close()
        os.replace(self._paths.partial(self._paths.rejected), self._paths.rejected)
        write_json(self._paths.summary, summary)
        os.replace(self._paths.partial(self._paths.generated), self._paths.generated)

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()


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
