"""`relgen generate`: a language model writes samples from labelled ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from relgen.common import InputError, counted, upcast
from relgen.generation import GenerateOptions as Options
from relgen.generation import GenerationSettings


def run(options: Options) -> None:
    """Generate samples, and print how many were accepted and rejected."""
    from relgen.generation import generate, merge_shards

    settings = upcast(GenerationSettings, options)
    inputs = {"train": options.train, "schema": options.schema, "forbid": options.forbid}
    files: dict[str, Any] = {**inputs, "out": options.out, "force": options.force}
    if options.merge is not None:
        if options.shard is not None:
            raise InputError("cannot be combined with --shard", field="--merge")
        _report(merge_shards(settings, options.merge, **files), options.out)
        return
    report = generate(settings, **files)
    if report.already_finished:
        print(f"finished already, with the same settings and inputs -> {report.output}")
        return
    _report(report.summary, report.output)


def _report(summary: dict[str, Any], out: str | Path) -> None:
    from relgen.experiments import generation_advice

    for advice in generation_advice([summary]):
        print(f"warning: {advice}", file=sys.stderr)
    print(f"{describe_summary(summary)} -> {out}")


def describe_summary(summary: dict[str, Any]) -> str:
    """Return one line: accepted, rejected by reason, tokens and time."""
    wanted = sum(entry["wanted"] for entry in summary["relations"].values())
    reasons = sorted(summary["rejected"].items(), key=lambda pair: (-pair[1], pair[0]))
    rejected = ", ".join(f"{count} {reason}" for reason, count in reasons) or "none"
    speed = summary["tokens"] / max(summary["seconds"], 1e-9)
    said = (
        f"{summary['accepted']} of {counted(wanted, 'sample')}; rejected: {rejected}; "
        f"{summary['tokens']} tokens in {summary['seconds']:.0f} s ({speed:.0f} a second)"
    )
    if usage := summary.get("usage"):
        cost = f", cost {usage['cost']:g}" if usage["cost"] else ""
        unusable = usage["unusable_answers"]
        answers = counted(usage["answers"], "answer") + (
            f", {unusable} unusable" if unusable else ""
        )
        said += f"; {answers}, {usage['prompt_tokens']} tokens read{cost}"
    return said
