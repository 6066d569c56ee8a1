"""Merge the shards of a generation into the files that an undivided run would write.

A sentence that two relations share is kept in the first shard that holds it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from relgen.common import InputError, read_json, read_lines
from relgen.data import Sample, iter_samples, normalised
from relgen.generation.files.outputs import OutputPaths, total_counts
from relgen.generation.files.shards import Shard
from relgen.generation.settings import GenerationSettings


def merge(
    settings: GenerationSettings,
    identify: Callable[[GenerationSettings], str],
    out: Path,
    number: int,
    *,
    force: bool,
) -> dict[str, Any]:
    """Merge all shards of a generation, in any order of writing; return the summary.

    `settings` are those of the shards, without `shard`. `identify` returns the hash of given
    settings and the shards' inputs. `force` replaces the output of other settings or inputs.

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
    samples, dropped = _distinct(parts)
    summary = _sum([read_json(part.summary) for part in parts], dropped)
    summary |= {"output": out.name, "hash": header, "shards": number}
    rejected = [json.loads(line) for part in parts for line in read_lines(part.rejected)]
    whole.write(samples, [*rejected, *dropped], summary)
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
            remedy="use the same options for all parts, or generate it again with --force",
        )
    return paths


def _distinct(parts: Sequence[OutputPaths]) -> tuple[list[Sample], list[dict[str, Any]]]:
    """Return the accepted samples without repeated texts, and rows for the repeated ones."""
    kept: dict[str, Sample] = {}
    dropped = []
    for part in parts:
        for sample in iter_samples(part.generated) if part.generated.stat().st_size else ():
            if kept.setdefault(normalised(sample.text), sample) is not sample:
                place = {key: (sample.provenance or {})[key] for key in ("mode", "chain", "step")}
                repeated = {"reason": "duplicate", "raw": sample.text}
                dropped.append({"relation": sample.relation, **place, **repeated})
    return list(kept.values()), dropped


def _sum(summaries: Sequence[dict[str, Any]], dropped: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts of all shards, with dropped samples moved to the rejected ones."""
    relations = {name: entry for each in summaries for name, entry in each["relations"].items()}
    for row in dropped:
        entry = relations[row["relation"]]
        entry["accepted"] -= 1
        counts = Counter(entry["rejected"]) + Counter(duplicate=1)
        entry["rejected"] = dict(sorted(counts.items()))
    total = total_counts(relations, sum(summary["seconds"] for summary in summaries))
    usages = [Counter[str](summary["usage"]) for summary in summaries if "usage" in summary]
    if usages:
        total["usage"] = {name: sum(usage[name] for usage in usages) for name in usages[0]}
    return total
