"""`relgen data split`: draws K samples of each relation, and a development set."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from relgen import __version__
from relgen.cli.commands.data_convert import print_skipped
from relgen.common import content_hash, refuse_inputs, write_json
from relgen.data import (
    RecordChecks,
    checked_samples,
    iter_samples,
    load_schema,
    read_samples,
    split,
    write_samples,
)
from relgen.data import SplitOptions as Options


def run(options: Options) -> None:
    """Split, and print how many samples were chosen."""
    written = [Path(options.out) / name for name in ("train.jsonl", "dev.jsonl")]
    refuse_inputs(written, filter(None, (options.samples, options.dev_from, options.exclude)))
    schema = load_schema(options.schema) if options.schema else None
    checks = RecordChecks(options.samples, skip_bad=options.skip_bad)
    result = split(
        list(checked_samples(checks, schema)),
        schema,
        shots=options.shots,
        seed=options.seed,
        dev=options.dev,
        dev_samples=read_samples(options.dev_from, schema=schema) if options.dev_from else None,
        exclude=iter_samples(options.exclude) if options.exclude else (),
    )
    out = Path(options.out)
    # the manifest is removed first and written last: a folder that has one is complete
    (out / "manifest.json").unlink(missing_ok=True)
    parts = {"train": result.train, "dev": result.dev}
    for name, part in parts.items():
        if part:
            write_samples(out / f"{name}.jsonl", part)
        else:
            (out / f"{name}.jsonl").unlink(missing_ok=True)
    source, *others = (
        {"file": Path(path).name, "sha256": content_hash(path)}
        for path in (options.samples, options.dev_from, options.exclude)
        if path
    )
    manifest = {
        "relgen_version": __version__,
        "source": source,
        "others": others,
        "shots": options.shots,
        "seed": options.seed,
        "dev": options.dev,
        "counts": {name: dict(Counter(s.relation for s in part)) for name, part in parts.items()},
        "warnings": result.warnings,
        "ids": {name: [sample.id for sample in part] for name, part in parts.items()},
    }
    write_json(out / "manifest.json", manifest)
    print_skipped(checks)
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{len(result.train)} training and {len(result.dev)} development samples -> {out}")
