"""Reads what to predict for: samples with two entities, or raw texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from relgen.classifiers import find_mention
from relgen.common import InputError, decode_json, read_lines
from relgen.data import RecordChecks, Sample, binary_kind, checked_samples, parquet_rows, value_of
from relgen.data.corpora import TABLES, ReadOptions, read_corpus
from relgen.prediction.pairs import RawText


def read_samples_to_predict(
    checks: RecordChecks, *, columns: Mapping[str, str] | None = None
) -> Iterator[Sample]:
    """Yield the samples of a file, which need no relation: JSON lines, or a table by its ending.

    `columns` are those of the table, as in `relgen data convert`. Raises InputError for malformed
    lines, at the end of the file.
    """
    path = Path(checks.path)
    kind = binary_kind(path) or path.suffix.lower().lstrip(".")
    if kind in ("txt", "md"):
        remedy = "to find entities in raw text, give --entities"
        raise InputError("head and tail are not marked in a text", path=path, remedy=remedy)
    if kind in TABLES:
        yield from read_corpus(kind, checks, ReadOptions(columns=columns, labelled=False))
        return
    if columns:
        remedy = f"give a file ending in {', '.join(f'.{each}' for each in TABLES)}"
        raise InputError("this file has no columns", path=path, field="--columns", remedy=remedy)
    yield from checked_samples(checks, labelled=False, amend=_with_offsets)


def _with_offsets(row: Any) -> Any:
    """Return a decoded line with offsets in place of mentions that are given as texts."""
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        return row
    found = {}
    for role in ("head", "tail"):
        if isinstance(mention := row.get(role), str):
            start, end = find_mention(row["text"], mention, role)
            found[role] = {"start": start, "end": end}
    return row | found


def read_raw_texts(
    checks: RecordChecks, *, columns: Mapping[str, str] | None = None
) -> Iterator[RawText]:
    """Yield the texts of a file, one a line: as they are, or as JSON objects with `text`.

    A row of Parquet has a `text`, or what `columns` calls so. A text's id is `id`, or the file's
    name and the line. Raises InputError for malformed lines, at the end of the file.
    """
    path = Path(checks.path)
    checks.remedy = "write a text on each line"
    kind = binary_kind(path) or path.suffix.lower().lstrip(".")
    if kind == "parquet":
        yield from _texts_of_rows(path, checks, columns or {})
        return
    if kind in TABLES:
        remedy = "write its texts one a line, or as lines of JSON with a text, or as Parquet"
        raise InputError(f"raw text is not read from {kind}", path=path, remedy=remedy)
    lines = ((number, line) for number, line in enumerate(read_lines(path), 1) if line.strip())
    begin = list(islice(lines, 1))
    is_json = bool(begin) and begin[0][1].lstrip().startswith("{")
    for number, line in chain(begin, lines):
        name = f"{path.stem}-{number}"
        with checks.record(number):
            row = decode_json(line) if is_json else {"text": line.strip()}
            document = _document(row, name)
            if checks.passes(document.id, number):
                yield document
    checks.finish()


def _texts_of_rows(
    path: Path, checks: RecordChecks, columns: Mapping[str, str]
) -> Iterator[RawText]:
    (schema, rows), wanted = (
        parquet_rows(path),
        {key: columns.get(key, key) for key in ("id", "text")},
    )
    if wanted["text"] not in schema.names:
        problem, remedy = f"no column {wanted['text']}", "name it with --columns text=…"
        raise InputError(problem, path=path, value=schema.names, remedy=remedy)
    for place, row in rows:
        with checks.record(place):
            known = {key: row[name] for key, name in wanted.items() if row.get(name) is not None}
            known |= {"id": str(known["id"])} if "id" in known else {}
            document = _document(known, f"{path.stem}-{str(place).strip('[]')}")
            if checks.passes(document.id, place):
                yield document
    checks.finish()


def input_checks(path: str | Path, *, skip_bad: bool) -> RecordChecks:
    """Return the checks of one reading of a file, which count the lines that are left out."""
    checks = RecordChecks(path, skip_bad=skip_bad)
    checks.line_remedy = "correct it, or leave malformed lines out with --skip-bad"
    return checks


def _document(row: Any, name: str) -> RawText:
    if not isinstance(row, dict):
        raise InputError("must be a JSON object with a text", value=row)
    return RawText(value_of({"id": name, **row}, "id", str), value_of(row, "text", str))
