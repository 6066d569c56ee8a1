"""Tables with a header: CSV, TSV, Excel's xlsx, Parquet, and JSON (an array, or an object a line).

Cells are what they are: NA, null, None, n/a and - stay texts. `relgen.data.corpora.columns` says
which column is what. A row has an id such as `train-3`, by its line (in JSON and
Parquet by its number).
"""

from __future__ import annotations

import csv
import itertools
import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from relgen.common import InputError, counted, read_lines
from relgen.data.corpora.columns import NAME_COLUMNS, RowReader
from relgen.data.corpora.reading import ReadOptions, json_records
from relgen.data.corpora.workbook import Sheet, read_sheet
from relgen.data.file_kinds import refuse_export, refuse_exported_line
from relgen.data.parquet import parquet_rows
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks

_DELIMITERS = ",;\t|"


class Table(NamedTuple):
    """The names of a table's columns, and its rows with their places.

    `features` are those of `datasets`, of which class labels count. `joined` has the lines of
    records that may be several rows, once the rows are read. `sheet` is that of a workbook.
    """

    columns: Sequence[str]
    rows: Iterable[tuple[int | str, Mapping[str, Any] | InputError]]
    features: Mapping[str, Any] = {}
    joined: Sequence[int] = ()
    sheet: Sheet | None = None


def reader(
    kind: str, known: Mapping[str, str] | None = None
) -> Callable[[Path, RecordChecks, ReadOptions], Iterator[Sample]]:
    """Return the reader of a kind of table, with the columns of a known one."""
    return partial(_read, kind, known or {})


def read_any(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a file of any kind, which its ending names."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in KINDS:
        remedy = f"give a file ending in {', '.join(f'.{each}' for each in KINDS)}"
        raise InputError("this file cannot be loaded", path=path, remedy=remedy)
    yield from _read(kind, {}, path, checks, options)


def class_labels(features: Mapping[str, Any], reader: RowReader) -> list[str] | None:
    """Return the names of class labels in the column of the relation."""
    return getattr(features.get(reader.where.get("relation", "")), "names", None)


def _read(
    kind: str,
    known: Mapping[str, str],
    path: Path,
    checks: RecordChecks,
    options: ReadOptions,
) -> Iterator[Sample]:
    checks.remedy = NAME_COLUMNS
    table = _xlsx(path, options.sheet) if kind == "xlsx" else KINDS[kind](path)
    if not known and "head" not in (options.columns or {}):
        refuse_export(path, table.columns)
    others = table.sheet.others if table.sheet and options.sheet is None else ()
    try:
        rows = RowReader(table.columns, checks, options, known=known)
    except InputError as error:
        elsewhere = f", or choose another sheet: --sheet {shlex.quote(others[0])}" if others else ""
        raise error.at(remedy=f"{error.remedy}{elsewhere}") from error
    rows.names = class_labels(table.features, rows)
    _refuse_merged(table, rows.where.values(), path)
    stem = options.split_name or path.stem
    yield from rows.samples(
        (place, f"{stem}-{str(place).strip('[]')}", row) for place, row in table.rows
    )
    if others:
        checks.doubts.append(
            f"{path}: only the first sheet was read, not {', '.join(others)}; relgen data convert "
            "--sheet chooses one"
        )
    if table.joined:
        checks.doubts.append(
            f"{path}:{table.joined[0]}: a quotation mark at the start of a cell may have joined "
            f"rows ({counted(len(table.joined), 'such record')}); put the cell in quotation marks, "
            "and write its own ones twice"
        )


def _refuse_merged(table: Table, columns: Collection[str], path: Path) -> None:
    """Raise InputError for merged cells in columns that are read."""
    for place, numbers in table.sheet.merged if table.sheet else ():
        for name in (table.columns[number] for number in numbers if number < len(table.columns)):
            if name in columns:
                raise InputError(
                    "merged cells, of which only the first has a value",
                    path=path,
                    field=name,
                    value=place,
                    remedy="take them apart in the spreadsheet, and fill each one",
                )


def _delimited(path: Path, delimiter: str | None = None) -> Table:
    """Return a table of separated values; the header shows by what, unless it is given."""
    lines = read_lines(path)
    begin = [next(lines, "")]
    if told := re.fullmatch(r"sep=(.)", begin[0].rstrip("\r\n"), re.IGNORECASE):  # to Excel
        begin = ["\n", next(lines, "")]
    header = begin[-1]
    refuse_exported_line(path, header)
    every: Iterable[str] = itertools.chain(begin, lines)
    csv.field_size_limit(sys.maxsize)
    how: dict[str, Any] = {"delimiter": delimiter, "strict": True}
    if delimiter is None:
        how["delimiter"] = told[1] if told else max(_DELIMITERS, key=header.count)
    elif not _quoted(every := list(every), delimiter):
        how["quoting"] = csv.QUOTE_NONE  # the quotation marks are those of the sentences
    joined: list[int] = []
    return _with_header(_records(path, every, how, joined), path)._replace(joined=joined)


def _records(
    path: Path, lines: Iterable[str], how: Mapping[str, Any], joined: list[int]
) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each record with its first line's number.

    The numbers of those whose first and last lines look like whole rows are added to `joined`.
    """
    last, raw = 0, list[str]()

    def kept() -> Iterator[str]:
        for line in lines:
            raw.append(line)
            yield line

    reader = csv.reader(kept(), **how)
    try:
        for cells in reader:
            number, last = last + 1, reader.line_num
            ends = raw[:1] + raw[-1:] if len(raw) > 1 else []
            if ends and all(line.count(how["delimiter"]) >= len(cells) - 1 for line in ends):
                joined.append(number)
            raw.clear()
            if any(cell.strip() for cell in cells):
                yield number, cells
    except csv.Error as error:
        problem = f"the quotation marks cannot be read ({error})"
        remedy = "write a quotation mark inside a quoted cell twice"
        raise InputError(problem, path=path, line=last + 1, remedy=remedy) from error


def _quoted(lines: list[str], delimiter: str) -> bool:
    """Return whether all quotation marks enclose cells, none of which is longer than a line.

    Otherwise a sentence that begins with a quotation mark would swallow what follows, up to one
    that ends with one.
    """
    try:
        records = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    inside = any(delimiter in cell for cells in records for cell in cells)
    return len(records) == len(lines) and not inside


def _with_header(records: Iterator[tuple[int, Sequence[str]]], path: Path) -> Table:
    """Return a table whose first record names the columns."""
    _, names = next(records, (0, []))
    columns = [name.strip() for name in names]
    if not any(columns):
        raise InputError("no header with names of columns", path=path, remedy=NAME_COLUMNS)
    for name in columns:
        if name and columns.count(name) > 1:
            remedy = "name each column once"
            raise InputError("two columns have this name", path=path, value=name, remedy=remedy)
    return Table(columns, ((number, _named(columns, cells)) for number, cells in records))


def _named(columns: Sequence[str], cells: Sequence[str]) -> Mapping[str, str] | InputError:
    if any(cells[len(columns) :]):
        problem = f"{len(cells)} cells, while the header names {counted(len(columns), 'column')}"
        remedy = "put a text that contains the separator in quotation marks"
        return InputError(problem, value=cells, remedy=remedy)
    return dict(itertools.zip_longest(columns, cells[: len(columns)], fillvalue=""))


def _xlsx(path: Path, name: str | None = None) -> Table:
    """Return a sheet of a workbook, the first one by default."""
    sheet = read_sheet(path, name)
    return _with_header(sheet.rows, path)._replace(sheet=sheet)


def _parquet(path: Path) -> Table:
    from datasets import Features

    columns, rows = parquet_rows(path)
    return Table(columns.names, rows, Features.from_arrow_schema(columns))


def _json(path: Path) -> Table:
    """Return the objects of an array, or of lines; a key of any of them is a column."""
    rows = json_records(path)
    columns = dict.fromkeys(key for _, row in rows if isinstance(row, dict) for key in row)
    if not columns and rows and isinstance(rows[0][1], InputError):
        place = rows[0][0]
        raise rows[0][1].at(path=path, line=place if isinstance(place, int) else None)
    return Table(list(columns), rows)


KINDS: dict[str, Callable[[Path], Table]] = {
    "csv": _delimited,
    "tsv": partial(_delimited, delimiter="\t"),
    "xlsx": _xlsx,
    "parquet": _parquet,
    "json": _json,
    "jsonl": _json,
}
