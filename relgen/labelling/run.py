"""Labels samples, generated or without a relation, with what a language model reads in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.common import (
    InputError,
    Process,
    Shard,
    ShardOptions,
    ShardWork,
    check_outputs,
    chunked,
    earlier_summary,
    find_shards,
    inputs_hash,
    locked,
    read_jsonl,
    run_shards,
    stream_files,
    stream_rows,
    text_hash,
    unfinished,
    write_summary,
    write_total,
)
from relgen.data import RecordChecks, Sample, checked_samples, load_schema
from relgen.labelling.choice import Row, select_rows
from relgen.labelling.labeller import CHUNK, Labeller, LabelTask, read_row, refuse_none
from relgen.labelling.probe import Probe
from relgen.labelling.settings import LabelSettings
from relgen.labelling.tally import Tally, certainty, write_labelled

_COMMAND = "label"


def label(
    settings: LabelSettings,
    *,
    generated: Sequence[str | Path],
    train: str | Path,
    schema: str | Path,
    out: str | Path,
    exclude: str | Path | None = None,
    options: ShardOptions | None = None,
) -> dict[str, Any]:
    """Label samples; write `out`, and next to it a summary with the suffix `.json`.

    Each sample gets `scores`, its most probable relation as `relation`, and the one that it had, if
    any, as `provenance.intended`. One that a person reviewed is kept as it is, at the end. An
    entity type that the new relation does not allow is replaced by the only one that it allows, or
    removed. Samples below the least certainty go to `NAME.uncertain.jsonl` next to `out`. Called
    again, it resumes, or returns the finished summary.

    Args:
        generated: files of samples, generated or without a relation; no id may be repeated. Or one
            folder or glob: a corpus in shards, whose samples are labelled shard by shard.
        train: labelled samples of at least two relations, which the probe is fitted to.
        schema: path or shipped name.
        exclude: samples whose ids, texts and near copies are left out, such as the test set.
        options: `force`, and those of a corpus in shards.

    Returns:
        The summary: the settings; the numbers of samples, and of those left out by reason; how many
        labels agree with the samples' own relations; and `train_micro_f1`, the probe's
        cross-validated score on the labelled samples.

    Raises InputError if an input cannot be used, no sample is left, or certain enough, or another
    process writes to `out`.
    """
    relations = load_schema(schema)
    task = LabelTask(settings, relations, train, exclude)
    shards = find_shards(generated[0], out) if len(generated) == 1 else None
    if shards is not None:
        return _in_shards(task, shards, schema, out, options or ShardOptions())
    if options is not None and options.engine != "local":
        remedy = "give one folder, or a glob in quotation marks"
        raise InputError("a cluster reads a corpus in shards", path=generated[0], remedy=remedy)
    # also the summary of a table of the same name
    with locked(Path(out).with_suffix(".json"), beside=True):
        force = options is not None and options.force
        return _label(task, generated, schema, Path(out), force=force)


def _label(
    task: LabelTask,
    generated: Sequence[str | Path],
    schema: str | Path,
    out: Path,
    *,
    force: bool,
) -> dict[str, Any]:
    files = [*generated, *task.files]
    # the probabilities do not depend on the least certainty
    read = _key(task, files)
    header, path = text_hash(f"{read} {task.settings.least_certainty}"), out.with_suffix(".json")
    rest = out.with_suffix(f".uncertain{'.parquet' if out.suffix == '.parquet' else '.jsonl'}")
    log = out.with_name(f".{out.name}.read")
    stream = stream_files(log)
    check_outputs([out, path, rest, log, *stream], [*files, schema])
    if found := earlier_summary(path, _COMMAND, [out, rest, log], header, force=force, stream=log):
        return found
    left_out, labeller = Counter[str](), Labeller(task)
    reviewed: list[Sample] = []
    total = sum(1 for _ in labeller.usable(task.samples(generated), left_out, reviewed))
    if not total:
        refuse_none(generated[0], left_out, reviewed)
    items = labeller.usable(task.samples(generated), Counter(), [])
    stream_rows(labeller, items, log, read, size=CHUNK, title="Labelling", total=total)
    kept, least = _kept(log, labeller, left_out), task.settings.least_certainty
    both, rows = (out, rest), read_jsonl(log)
    with unfinished(out.parent, _COMMAND, [each.name for each in (*both, path)]):
        tally = write_labelled(rows, reviewed, both, labeller.columns, least=least, chosen=kept)
        tally.left_out = left_out
        summary = _summary(task, header, labeller.fitted[1], tally)
        summary = write_summary(path, summary, both)
    for each in (log, stream[1]):
        each.unlink()
    return summary


def _in_shards(
    task: LabelTask,
    shards: Sequence[Shard],
    schema: str | Path,
    out: str | Path,
    options: ShardOptions,
) -> dict[str, Any]:
    settings = task.settings
    for name, value in (("--most", settings.most), ("--pool", settings.pool)):
        if value is not None:
            remedy = "name the files one by one, and give --out a file"
            raise InputError("shards are labelled whole", field=name, value=value, remedy=remedy)
    key = text_hash(f"{_key(task, task.files)} {settings.least_certainty}")
    labeller = Labeller(task)
    fitted = labeller.fitted
    make: Callable[[], Process] = partial(partial, _label_shard, labeller)
    if options.engine != "local":
        del labeller
        make = partial(_on_worker, task, fitted)
    tally = Tally()
    work, inputs = ShardWork(_COMMAND, key, make), [*task.files, schema, settings.model]
    for found in run_shards(work, shards, out, options, inputs):
        tally.add(found)
    summary = _summary(task, key, fitted[1], tally) | {"shards": len(shards)}
    write_total(out, summary)
    return summary


def _on_worker(task: LabelTask, fitted: tuple[Probe, float | None]) -> Process:
    return partial(_label_shard, Labeller(task, fitted))


def _label_shard(labeller: Labeller, shard: Shard) -> dict[str, Any]:
    settings, checks = labeller.task.settings, RecordChecks(shard.source)
    checks.may_be_empty = True
    schema = None if settings.ignore_relations else labeller.task.schema
    left_out, reviewed = Counter[str](), list[Sample]()
    samples = checked_samples(checks, schema, labelled=False)
    given = labeller.usable(samples, left_out, reviewed)
    rows = (row for chunk in chunked(given, CHUNK) for row in labeller(chunk)[0])
    files, least = (shard.out, shard.aside("uncertain")), settings.least_certainty
    tally = write_labelled(rows, reviewed, files, labeller.columns, least=least)
    tally.left_out = left_out
    return tally.to_json()


def _summary(task: LabelTask, header: str, train_f1: float | None, tally: Tally) -> dict[str, Any]:
    return {
        "command": _COMMAND,
        "hash": header,
        **asdict(task.settings),
        "train_micro_f1": train_f1,
        **tally.summary(task.schema),
        "relgen_version": __version__,
    }


def _key(task: LabelTask, files: Sequence[str | Path]) -> str:
    content = {**task.schema.to_dict(), "exclude": task.exclude is not None}
    return inputs_hash(replace(task.settings, least_certainty=0.0), files, content)


def _kept(log: Path, labeller: Labeller, left_out: Counter[str]) -> set[int] | None:
    """Return the numbers of the most valuable of the certain rows; None to keep all of these.

    Counts those not chosen. Raises InputError if no row is certain enough.
    """
    task = labeller.task

    def read(row: dict[str, Any]) -> Row:
        whole = task.settings.most is not None
        return read_row(row, task.schema) if whole else ([certainty(row)], [])

    rows = [read(row) for row in read_jsonl(log)]
    kept = select_rows(rows, labeller.known, task.settings, left_out)
    return None if task.settings.most is None else set(kept)
