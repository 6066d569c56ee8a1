"""Names and writes the output files of a generation, and recognises those of a finished one.

The summary comes last: where it names `generated.jsonl`, the generation is finished.
Shards are merged into the files that an undivided run would write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from relgen.common import (
    InputError,
    check_outputs,
    decode_json,
    earlier_summary,
    read_json,
    read_lines,
    read_record,
    unfinished,
    write_jsonl,
    write_summary,
)
from relgen.data import Sample, iter_samples, normalised, write_samples
from relgen.generation.files.shards import RelationShard
from relgen.generation.settings import GenerationSettings
from relgen.generation.states import RelationState

_COMMAND = "generate"


class OutputPaths:
    """The paths of all files, derived from that of the accepted samples."""

    def __init__(self, generated: Path) -> None:
        self.generated = generated
        self.rejected = generated.with_name("rejected.jsonl")
        self.summary = generated.with_name("generation.json")
        self.journal = generated.with_name(f".{generated.name}.journal.jsonl")

    def check(self, inputs: Iterable[str | Path | None]) -> None:
        """Raise InputError where an output would be an input."""
        check_outputs([self.generated, self.rejected, self.summary, self.journal], inputs)

    def finished(self, header: str, *, force: bool) -> bool:
        """Return True if the generation with this hash is already finished.

        Raises InputError for the output of another one, which `force` removes.
        """
        if self.generated.is_dir():
            raise InputError(
                "this is a folder",
                path=self.generated,
                remedy="name a file: --out …/generated.jsonl",
            )
        files = [self.generated, self.rejected]
        if earlier_summary(self.summary, _COMMAND, files, header, force=force):
            return True
        for path in (self.summary, *files):
            path.unlink(missing_ok=True)
        return False

    def write(
        self, samples: Sequence[Sample], rejected: Sequence[dict[str, Any]], summary: dict[str, Any]
    ) -> dict[str, Any]:
        """Write all files, the summary last; return it."""
        files = [self.generated, self.rejected]
        names = [path.name for path in (*files, self.summary)]
        with unfinished(self.summary.parent, _COMMAND, names):
            write_jsonl(self.rejected, rejected)
            write_samples(self.generated, samples)
            return write_summary(self.summary, {"command": _COMMAND, **summary}, files)


def summarise_generation(states: Sequence[RelationState], seconds: float) -> dict[str, Any]:
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
    """Sum the relations' counts."""
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


def merge(
    settings: GenerationSettings,
    identify: Callable[[GenerationSettings], str],
    out: Path,
    number: int,
    *,
    force: bool,
) -> dict[str, Any]:
    """Merge all shards of a generation, in any order of writing; return the summary.

    A sentence that two relations share is kept in the first shard that holds it. `settings` are
    those of the shards, without `shard`. `identify` returns the hash of given settings and the
    shards' inputs. `force` replaces the output of other settings or inputs. Raises InputError if a
    shard is missing, unfinished, or of other settings or inputs.
    """
    whole = OutputPaths(out)
    header = identify(settings)
    if whole.finished(header, force=force):
        return dict(read_json(whole.summary))
    parts = []
    for index in range(1, number + 1):
        shard = RelationShard(index, number)
        own = identify(replace(settings, shard=str(shard)))
        parts.append(_finished_part(shard, OutputPaths(shard.path(out)), own))
    samples, dropped = _distinct(parts)
    summary = _sum([read_json(part.summary) for part in parts], dropped)
    summary |= {"hash": header, "shards": number}
    rejected = [decode_json(line) for part in parts for line in read_lines(part.rejected)]
    return whole.write(samples, [*rejected, *dropped], summary)


def _finished_part(shard: RelationShard, paths: OutputPaths, header: str) -> OutputPaths:
    if not paths.summary.exists() or not paths.generated.exists():
        raise InputError(
            f"shard {shard} is not finished",
            path=paths.generated,
            remedy=f"run the same command with --shard {shard}",
        )
    if read_record(paths.summary).get("hash") != header:
        raise InputError(
            f"shard {shard} was written with other settings or inputs",
            path=paths.generated,
            remedy="use the same options for all shards, or generate it again with --force",
        )
    return paths


def _distinct(parts: Sequence[OutputPaths]) -> tuple[list[Sample], list[dict[str, Any]]]:
    """Return the accepted samples without repeated texts, and rows for the repeated ones."""
    kept: dict[str, Sample] = {}
    dropped = []
    for part in parts:
        accepted = read_json(part.summary)["accepted"]
        for sample in iter_samples(part.generated) if accepted else ():
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
    # of the same settings and labelled samples
    total |= {name: summaries[0][name] for name in ("model", "token_budget", "limits")}
    usages = [Counter[str](summary["usage"]) for summary in summaries if "usage" in summary]
    if usages:
        total["usage"] = {name: sum(usage[name] for usage in usages) for name in usages[0]}
    return total
