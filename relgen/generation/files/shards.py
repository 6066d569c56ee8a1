"""Shards of a generation for several machines: dividing the relations, and merging the outputs.

A relation's drafts depend on its own chains only, so that the shards together write the samples of
an undivided run. A sentence of two relations shows only at the end: `merge` keeps the first one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from relgen.common import InputError, atomic_writer, read_json, read_lines, write_json, write_jsonl
from relgen.data import Sample, iter_samples, normalised
from relgen.generation.files.outputs import OutputPaths, total_counts

if TYPE_CHECKING:
    from relgen.generation.settings import GenerationSettings

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Shard:
    """The shard `index` of `number`, counted from 1."""

    index: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `2/4`. Raises InputError for anything else."""
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(
                "must be i/n with i from 1 to n", field="shard", value=text, remedy="such as 1/4"
            )
        return cls(int(found[1]), int(found[2]))

    def part(self, items: Sequence[_Item]) -> list[_Item]:
        """Return every n-th item. Raises InputError when there are fewer items than shards."""
        if len(items) < self.number:
            raise InputError(
                f"there are {len(items)} relations to generate for",
                field="shard",
                value=str(self),
                remedy=f"use at most {len(items)} parts",
            )
        return list(items[self.index - 1 :: self.number])

    def path(self, out: Path) -> Path:
        """Return the place of the shard's output, in a folder beside that of the whole."""
        return out.parent / f"{out.stem}.shards" / f"{self.index}-of-{self.number}" / out.name

    def __str__(self) -> str:
        return f"{self.index}/{self.number}"


def merge(
    settings: GenerationSettings,
    identify: Callable[[GenerationSettings], str],
    out: Path,
    number: int,
    *,
    force: bool,
) -> dict[str, Any]:
    """Merge all shards of a generation; the order in which they were written does not matter.

    Args:
        settings: those of the shards, without `shard`.
        identify: returns the hash of settings and inputs by which a generation is recognised.
        out: path of the whole; the shards stand beside it (`Shard.path`).
        number: of shards.
        force: replace the output of other settings or inputs.

    Returns:
        The content of `generation.json`.

    Raises:
        InputError: a shard is missing, unfinished, or of other settings or inputs.
    """
    whole = OutputPaths(out)
    header = identify(settings)
    if whole.finished(header, force=force):
        return dict(read_json(whole.summary))
    parts = []
    for index in range(1, number + 1):
        shard = Shard(index, number)
        own = identify(replace(settings, shard=str(shard)))
        parts.append(_finished_part(shard, OutputPaths(shard.path(out)), own))
    dropped: list[dict[str, Any]] = []
    with atomic_writer(whole.generated) as stream:  # takes its place at the end of the block
        for sample in _distinct(parts, dropped):
            stream.write(json.dumps(sample.to_json(), ensure_ascii=False) + "\n")
        rejected = (row for part in parts for row in map(json.loads, read_lines(part.rejected)))
        write_jsonl(whole.rejected, (*rejected, *dropped))
        summary = _sum([read_json(part.summary) for part in parts], dropped)
        summary |= {"output": out.name, "hash": header, "shards": number}
        write_json(whole.summary, summary)
    return summary


def _finished_part(shard: Shard, paths: OutputPaths, header: str) -> OutputPaths:
    if not paths.summary.exists() or not paths.generated.exists():
        raise InputError(
            f"part {shard} is not finished",
            path=paths.generated,
            remedy=f"run the same command with --shard {shard}",
        )
    if read_json(paths.summary).get("hash") != header:
        raise InputError(
            f"part {shard} was written with other settings or inputs",
            path=paths.generated,
            remedy="give the options of the parts, or generate it anew with --force",
        )
    return paths


def _distinct(parts: Sequence[OutputPaths], dropped: list[dict[str, Any]]) -> Iterator[Sample]:
    """Yield accepted samples, a text only where it comes first; the rest goes to `dropped`."""
    texts: set[str] = set()
    for part in parts:
        for sample in iter_samples(part.generated) if part.generated.stat().st_size else ():
            text = normalised(sample.text)
            if text not in texts:
                texts.add(text)
                yield sample
                continue
            place = {key: (sample.provenance or {})[key] for key in ("mode", "chain", "step")}
            row = {"relation": sample.relation, **place, "reason": "duplicate", "raw": sample.text}
            dropped.append(row)


def _sum(summaries: Sequence[dict[str, Any]], dropped: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts of all shards; a dropped sample counts as rejected."""
    relations = {name: entry for each in summaries for name, entry in each["relations"].items()}
    for row in dropped:
        entry = relations[row["relation"]]
        entry["accepted"] -= 1
        counts = Counter(entry["rejected"]) + Counter(duplicate=1)
        entry["rejected"] = dict(sorted(counts.items()))
    total = total_counts(relations, sum(summary["seconds"] for summary in summaries))
    if all("usage" in summary for summary in summaries):
        usage: Counter[str] = Counter()
        for summary in summaries:
            usage.update(summary["usage"])
        total["usage"] = dict(usage)
    return total
