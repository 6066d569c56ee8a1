"""`relgen data split`: draws K samples of each relation, and a development set."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from relgen import __version__
from relgen.cli.commands.data_convert import print_skipped
from relgen.common import (
    check_outputs,
    content_hash,
    read_json,
    refuse_foreign,
    unfinished,
    write_json,
)
from relgen.data import (
    RecordChecks,
    Sample,
    checked_samples,
    hold_out,
    iter_samples,
    load_schema,
    read_samples,
    split,
    write_samples,
)
from relgen.data import SplitOptions as Options


def run(options: Options) -> None:
    """Split, and print how many samples were chosen."""
    out = Path(options.out)
    manifest_path = out / "manifest.json"
    written = {name: out / f"{name}.jsonl" for name in ("train", "dev", "test", "pool")}
    inputs = [options.samples, options.dev_from, options.exclude, options.schema]
    check_outputs([manifest_path, *written.values()], inputs)
    named = _split_before(manifest_path)
    refuse_foreign([path for name, path in written.items() if name not in named], "data split")
    schema = load_schema(options.schema) if options.schema else None
    checks = RecordChecks(options.samples, skip_bad=options.skip_bad)
    pool, test, warnings = list(checked_samples(checks, schema)), list[Sample](), list[str]()
    if options.test is not None:
        pool, test, warnings = hold_out(pool, options.test, by=options.by)
    result = split(
        pool,
        schema,
        shots=options.shots,
        seed=options.seed,
        dev=options.dev,
        by=options.by,
        dev_samples=read_samples(options.dev_from, schema=schema) if options.dev_from else None,
        exclude=[*test, *(iter_samples(options.exclude) if options.exclude else ())],
    )
    warnings += result.warnings
    parts = {"train": result.train, "dev": result.dev}
    if options.test is not None:
        parts |= {"test": test, "pool": pool}
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
        "by": options.by,
        "counts": {name: dict(Counter(s.relation for s in part)) for name, part in parts.items()},
        "warnings": warnings,
        "ids": {name: [sample.id for sample in part] for name, part in parts.items()},
    }
    with unfinished(out, "data split"):
        # the manifest is removed first and written last: a folder that has one is complete
        manifest_path.unlink(missing_ok=True)
        for name, path in written.items():
            if part := parts.get(name):
                write_samples(path, part)
            else:
                path.unlink(missing_ok=True)
        write_json(manifest_path, manifest)
    print_skipped(checks)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    sizes = f"{len(result.train)} training and {len(result.dev)} development samples"
    held = f", {len(test)} of {len(test) + len(pool)} held out for testing" if test else ""
    print(f"{sizes}{held} -> {out}")


def _split_before(manifest: Path) -> list[str]:
    """Return the parts of a split that is here already; raise InputError for another manifest."""
    if not manifest.is_file():
        return []
    content = read_json(manifest)
    if not isinstance(content, dict) or not {"relgen_version", "ids"} <= content.keys():
        refuse_foreign([manifest], "data split")
    return [name for name, ids in content["ids"].items() if ids]
