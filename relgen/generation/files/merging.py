"""The parts of a generation as one: the same files that an undivided run writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from relgen.common import InputError, atomic_writer, read_json, read_lines, write_json, write_jsonl
from relgen.data import Sample, iter_samples, normalised
from relgen.generation.files.outputs import OutputPaths
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
    """Joins all parts of a generation; what they hold decides the result, not when they were done.

    Args:
        settings: those of the parts, without `shard`.
        identify: the hash of settings and inputs by which a generation is recognised.
        out: path of the whole; the parts stand beside it (`Shard.path`).
        number: of parts.
        force: replace the output of other settings or inputs.

    Returns:
        The content of `generation.json`.

    Raises:
        InputError: a part is missing, unfinished, or of other settings or inputs.
    """
    whole = OutputPaths(out)
    header = identify(settings)
    if whole.finished(header, force=force):
        return dict(read_json(whole.summary))
    parts = [_part(settings, identify, out, Shard(i + 1, number)) for i in range(number)]
    summaries = [read_json(part.summary) for part in parts]
    dropped: list[dict[str, Any]] = []
    with atomic_writer(whole.generated) as stream:  # takes its place at the end of the block
        for sample in _once(parts, dropped):
            stream.write(json.dumps(sample.to_json(), ensure_ascii=False) + "\n")
        write_jsonl(whole.rejected, _rejected(parts, dropped))
        counts = _sum(summaries, dropped)
        summary = {**counts, "output": out.name, "hash": header, "shards": number}
        write_json(whole.summary, summary)
    return summary


def _part(
    settings: GenerationSettings,
    identify: Callable[[GenerationSettings], str],
    out: Path,
    shard: Shard,
) -> OutputPaths:
    paths = OutputPaths(shard.path(out))
    if not paths.summary.exists() or not paths.generated.exists():
        raise InputError(
            f"part {shard} is not finished",
            path=paths.generated,
            remedy=f"run the same command with --shard {shard}",
        )
    if read_json(paths.summary).get("hash") != identify(replace(settings, shard=str(shard))):
        raise InputError(
            f"part {shard} was written with other settings or inputs",
            path=paths.generated,
            remedy="give the options of the parts, or generate it anew with --force",
        )
    return paths


def _once(parts: Sequence[OutputPaths], dropped: list[dict[str, Any]]) -> Iterator[Sample]:
    """All accepted samples, a text only where it comes first; the rest goes to `dropped`."""
    texts: set[str] = set()
    for part in parts:
        for sample in iter_samples(part.generated) if part.generated.stat().st_size else ():
            text = normalised(sample.text)
            if text in texts:
                place = sample.provenance or {}
                dropped.append(
                    {
                        "relation": sample.relation,
                        "mode": place["mode"],
                        "chain": place["chain"],
                        "step": place["step"],
                        "reason": "duplicate",
                        "raw": sample.text,
                    }
                )
            else:
                texts.add(text)
                yield sample


def _rejected(
    parts: Sequence[OutputPaths], dropped: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for part in parts:
        yield from map(json.loads, read_lines(part.rejected))
    yield from dropped


def _sum(summaries: Sequence[dict[str, Any]], dropped: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The counts of all parts; a dropped sample moves from the accepted to the rejected ones."""
    relations: dict[str, Any] = {}
    rejected: Counter[str] = Counter()
    for summary in summaries:
        relations |= summary["relations"]
        rejected.update(summary["rejected"])
    for row in dropped:
        entry = relations[row["relation"]]
        entry["accepted"] -= 1
        entry["rejected"] = dict(
            sorted((Counter(entry["rejected"]) + Counter(duplicate=1)).items())
        )
        rejected["duplicate"] += 1
    total = {
        "accepted": sum(entry["accepted"] for entry in relations.values()),
        "rejected": dict(sorted(rejected.items())),
        "seconds": round(sum(summary["seconds"] for summary in summaries), 3),
        "tokens": sum(summary["tokens"] for summary in summaries),
        "relations": relations,
    }
    if all("usage" in summary for summary in summaries):
        usage: Counter[str] = Counter()
        for summary in summaries:
            usage.update(summary["usage"])
        total["usage"] = dict(usage)
    return total
