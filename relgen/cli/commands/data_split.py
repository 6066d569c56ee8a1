"""`relgen data split`: draws K samples of each relation, and a development set."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.cli.commands.data_convert import print_skipped
from relgen.common import (
    InputError,
    check_outputs,
    content_hash,
    counted,
    read_record,
    refuse_foreign,
    unfinished,
    write_summary,
)
from relgen.data import (
    PairLabels,
    Pool,
    RecordChecks,
    hold_out,
    iter_samples,
    load_schema,
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
    made_from = _made_from(options)
    before = _split_before(manifest_path)
    if before and not options.force:
        _refuse_other(before, made_from, manifest_path)
    refuse_foreign(written.values(), "data split", before.get("files"))
    schema = load_schema(options.schema) if options.schema else None
    checks = RecordChecks(options.samples, skip_bad=options.skip_bad)
    pool, test = Pool.of_file(checks, schema), Pool(())
    times = Counter(pool.texts)
    repeated = (pool[place] for place, text in enumerate(pool.texts) if times[text] > 1)
    warnings = PairLabels(repeated, schema.negative if schema else None).warnings()
    if options.test is not None:
        pool, test, more = hold_out(pool, options.test, by=options.by)
        warnings += more
    dev_from = RecordChecks(options.dev_from) if options.dev_from else None
    result = split(
        pool,
        schema,
        shots=options.shots,
        seed=options.seed,
        dev=options.dev,
        by=options.by,
        dev_samples=Pool.of_file(dev_from, schema) if dev_from else None,
        exclude=[*test, *(iter_samples(options.exclude) if options.exclude else ())],
    )
    warnings += result.warnings
    parts = {"train": Pool.of(result.train), "dev": Pool.of(result.dev)}
    if options.test is not None:
        parts |= {"test": test, "pool": pool}
    counts = {name: Counter(part.relations) for name, part in parts.items()}
    manifest = {
        "relgen_version": __version__,
        **made_from,
        "counts": counts,
        "warnings": warnings,
        "ids": {name: part.ids for name, part in parts.items()},
    }
    _write(written, parts, manifest_path, manifest, replace=options.force or not before)
    print_skipped(checks)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    sizes = f"{len(result.train)} training and {counted(len(result.dev), 'development sample')}"
    held = f", {len(test)} of {len(test) + len(pool)} held out for testing" if test else ""
    print(f"{sizes}{held} -> {out}")
    shown = {name: of for name, of in counts.items() if (name, options.dev) != ("dev", "none")}
    print("".join(f"{name:>8}" for name in shown))
    for label in schema.labels if schema else sorted(set().union(*shown.values())):
        print("".join(f"{of[label]:>8}" for of in shown.values()) + f"  {label}")


def _write(
    written: dict[str, Path],
    parts: dict[str, Pool],
    manifest_path: Path,
    manifest: dict[str, Any],
    *,
    replace: bool,
) -> None:
    """Write a split; without `replace`, raise InputError for a part with other content."""
    names = [each.name for each in (manifest_path, *written.values())]
    with unfinished(manifest_path.parent, "data split", names) if replace else nullcontext():
        if replace:
            # the manifest is removed first and written last: a folder that has one is complete
            manifest_path.unlink(missing_ok=True)
        for name, path in written.items():
            if part := parts.get(name):
                write_samples(path, part, replace=replace)
            else:
                path.unlink(missing_ok=True)
        write_summary(manifest_path, manifest, written.values())


def _made_from(options: Options) -> dict[str, Any]:
    """Return what the manifest says of the inputs and options."""
    source, *others = (
        {"file": Path(path).name, "sha256": content_hash(path)}
        for path in (options.samples, options.dev_from, options.exclude)
        if path
    )
    names = ("shots", "seed", "dev", "by", "test")
    own = {name: getattr(options, name) for name in names}
    return {"source": source, "others": others, **own}


def _split_before(manifest: Path) -> dict[str, Any]:
    """Return the manifest of a split that is here already; raise InputError for another one."""
    if not manifest.is_file():
        return {}
    content = read_record(manifest)
    if "relgen_version" not in content or not isinstance(content.get("files"), dict):
        refuse_foreign([manifest], "data split")
        return {}
    return content


def _refuse_other(before: dict[str, Any], made_from: dict[str, Any], manifest: Path) -> None:
    for name, value in made_from.items():
        if before.get(name) != value:
            raise InputError(
                f"another split is here, with {before.get(name)!r}",
                path=manifest,
                field=name,
                value=value,
                remedy="give another --out, or --force to replace it",
            )
