"""`relgen data split`: K samples of each relation, and a development set."""

from __future__ import annotations

import sys
from pathlib import Path

from relgen.cli.commands.data_convert import print_skipped
from relgen.common import refuse_inputs, write_json
from relgen.data import (
    ReadStatistics,
    iter_samples,
    load_schema,
    manifest,
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
    statistics = ReadStatistics()
    samples = read_samples(
        options.samples, skip_bad=options.skip_bad, schema=schema, statistics=statistics
    )
    dev_samples = (
        None if options.dev_from is None else read_samples(options.dev_from, schema=schema)
    )
    exclude = iter_samples(options.exclude) if options.exclude else ()
    result = split(
        samples,
        schema,
        shots=options.shots,
        seed=options.seed,
        dev=options.dev,
        dev_samples=dev_samples,
        exclude=exclude,
    )
    others = [path for path in (options.dev_from, options.exclude) if path]
    out = Path(options.out)
    # the manifest goes first and comes back last: a folder with one holds a whole split
    (out / "manifest.json").unlink(missing_ok=True)
    write_samples(out / "train.jsonl", result.train)
    if result.dev:
        write_samples(out / "dev.jsonl", result.dev)
    else:
        (out / "dev.jsonl").unlink(missing_ok=True)
    write_json(
        out / "manifest.json",
        manifest(
            result,
            options.samples,
            shots=options.shots,
            seed=options.seed,
            dev=options.dev,
            others=others,
        ),
    )
    print_skipped(statistics)
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{len(result.train)} training and {len(result.dev)} development samples -> {out}")
