"""Predicts relations in a file, chunk by chunk, so that files of any size fit into memory."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.classifiers import classifier_files
from relgen.common import (
    InputError,
    Shard,
    ShardWork,
    check_outputs,
    chunked,
    earlier_summary,
    find_shards,
    inputs_hash,
    locked,
    print_json,
    row_writer,
    run_shards,
    stream_files,
    stream_rows,
    to_jsonl,
    write_summary,
    write_total,
)
from relgen.data import RecordChecks
from relgen.prediction.inputs import input_checks, read_raw_texts, read_samples_to_predict
from relgen.prediction.predictor import (
    CHUNK,
    ENTITIES,
    PAIRS,
    RELATION,
    REVERSED,
    UNKNOWN,
    Predictor,
)
from relgen.prediction.settings import PredictOptions
from relgen.prediction.sources import source_files

_COMMAND = "predict"


def predict(options: PredictOptions) -> dict[str, Any]:
    """Predict relations; write them to `options.out` and its summary beside it, or print them.

    The summary has the suffix `.json`; for a corpus in shards see `relgen.common.shards`. Called
    again, this resumes, or returns the finished summary.

    Returns:
        The summary: the options, the numbers of malformed records (`skipped`), of entities found in
        raw text, of pairs, of those left out since their relation holds in the other direction
        (`reversed`), of predictions by relation (under `""` those without an answer), and of
        entities by type, of types that the schema does not name.

    Raises:
        InputError: the classifier or the input cannot be used, or another process writes to `out`.
    """
    if (shards := find_shards(options.input, options.out)) is not None:
        return _in_shards(options, shards)
    if options.engine != "local":
        remedy = "give a folder, or a glob in quotation marks"
        raise InputError("a cluster reads a corpus in shards", path=options.input, remedy=remedy)
    if options.out is None:
        return _printed(options)
    out = Path(options.out)
    path = out.with_suffix(".json")
    if not Path(options.input).is_file() and Path(options.input).exists():
        remedy = "give a file, or leave --out out: the predictions are printed then"
        raise InputError("with --out, only a file is read", path=options.input, remedy=remedy)
    model = classifier_files(options.model)
    inputs = [options.input, *source_files(options.entities)]
    check_outputs([out, path, *stream_files(out)], [*inputs, *model])
    header = inputs_hash(replace(options, force=False), [*inputs, *model], {})
    with locked(path, beside=True):  # also that of a table of the same name
        return _to_file(options, out, path, header)


def _to_file(options: PredictOptions, out: Path, path: Path, header: str) -> dict[str, Any]:
    if found := earlier_summary(path, _COMMAND, [out], header, force=options.force, stream=out):
        return found
    work, checks = Predictor(options), input_checks(options.input, skip_bad=options.skip_bad)
    bar: dict[str, Any] = {"title": "Predicting", "total": sum(1 for _ in _items(options, checks))}
    _print_doubts(checks)
    items = _items(options, input_checks(options.input, skip_bad=options.skip_bad))
    counts = stream_rows(work, items, out, header, size=CHUNK, schema=work.columns, **bar)
    own = {"command": _COMMAND, "hash": header, **asdict(options)}
    summary = write_summary(path, own | _summary(counts, checks.skipped), [out])
    stream_files(out)[1].unlink()
    return summary


def _printed(options: PredictOptions) -> dict[str, Any]:
    """Print each chunk's predictions as soon as they are there."""
    work, counts = Predictor(options), Counter[str]()
    checks = input_checks(options.input, skip_bad=options.skip_bad)
    for chunk in chunked(_items(options, checks), CHUNK):
        rows, more = work(chunk)
        print_json(to_jsonl(rows))
        counts.update(more)
    _print_doubts(checks)
    return _summary(counts, checks.skipped)


def _print_doubts(checks: RecordChecks) -> None:
    """Print what was decided about records of a table, and what may have been misread."""
    for doubt in [*checks.doubts, *checks.noted()]:
        print(f"warning: {doubt}", file=sys.stderr)


def _in_shards(options: PredictOptions, shards: Sequence[Shard]) -> dict[str, Any]:
    out, work = options.out or "", shard_work(options)
    summary = {"command": _COMMAND, "hash": work.key, **asdict(options), "shards": len(shards)}
    total = _summary(Counter(), 0)
    inputs = [*source_files(options.entities), *classifier_files(options.model)]
    for found in run_shards(work, shards, out, options, inputs):
        for name in ("skipped", "entities", "pairs", "reversed"):
            total[name] += found[name]
        for name in ("relations", "unknown_types"):
            total[name] = dict(Counter(total[name]) + Counter(found[name]))
    write_total(out, summary | total)
    return summary | total


def shard_work(options: PredictOptions) -> ShardWork:
    """Return what predicts for shards; it does not depend on where they are."""
    # a shard that was finished without skipping anything is the same with it
    same = replace(
        options, input="", out=None, engine="local", workers=None, force=False, skip_bad=False
    )
    files = [*source_files(options.entities), *classifier_files(options.model)]
    return ShardWork(_COMMAND, inputs_hash(same, files, {}), partial(_ShardPredictor, options))


class _ShardPredictor:
    """Predicts for shards, one after another, with one model."""

    def __init__(self, options: PredictOptions) -> None:
        self.options, self.work = options, Predictor(options)

    def __call__(self, shard: Shard) -> dict[str, Any]:
        counts, options = Counter[str](), self.options
        checks = input_checks(shard.source, skip_bad=options.skip_bad)
        checks.may_be_empty = True
        with row_writer(shard.out, self.work.columns) as write:
            for chunk in chunked(_items(options, checks), CHUNK):
                rows, more = self.work(chunk)
                write(rows)
                counts.update(more)
        return _summary(counts, checks.skipped)


def _items(options: PredictOptions, checks: RecordChecks) -> Iterator[Any]:
    if options.entities:
        return read_raw_texts(checks, columns=options.columns)
    return read_samples_to_predict(checks, columns=options.columns)


def _summary(counts: Counter[str], skipped: int) -> dict[str, Any]:
    def named(prefix: str) -> dict[str, int]:
        return {k.removeprefix(prefix): n for k, n in counts.items() if k.startswith(prefix)}

    return {
        "skipped": skipped,
        "entities": counts[ENTITIES],
        "pairs": counts[PAIRS],
        "reversed": counts[REVERSED],
        "relations": named(RELATION),
        "unknown_types": named(UNKNOWN),
        "relgen_version": __version__,
    }
