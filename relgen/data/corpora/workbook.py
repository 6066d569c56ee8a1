"""Sheets of an Excel workbook (xlsx), as rows of texts, and their merged cells."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from relgen.common import InputError, no_such_file, suggestion


class Sheet(NamedTuple):
    """One sheet of a workbook.

    Args:
        rows: its rows that are not empty, with their numbers; numbers in cells become texts.
        merged: its merged cells, such as A2:A5, and the numbers from 0 of the columns in which
            they have cells without a value.
        others: the names of the other sheets that have a cell with a value.
    """

    rows: Iterator[tuple[int, list[str]]]
    merged: Sequence[tuple[str, Collection[int]]]
    others: Sequence[str]


def read_sheet(path: Path, name: str | None) -> Sheet:
    """Return a sheet of a workbook, the first one by default.

    Raises InputError if openpyxl is missing, or for no workbook, or one without such a sheet.
    """
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        remedy = "pip install 'relgen-re[xlsx]', or save the sheet as CSV"
        raise InputError("reading xlsx needs openpyxl", path=path, remedy=remedy) from error
    if not path.is_file():
        raise no_such_file(path)
    content = io.BytesIO(path.read_bytes())  # whatever its name ends in
    try:
        sheets = load_workbook(content, data_only=True).worksheets
        first = sheets[0].title
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        remedy = "save it again as xlsx, or as CSV"
        raise InputError(f"not an Excel workbook: {error}", path=path, remedy=remedy) from error
    named = {sheet.title: sheet for sheet in sheets}
    if name is not None and name not in named:
        remedy = suggestion(name, named, f"its sheets: {', '.join(named)}")
        raise InputError("no such sheet", path=path, field="--sheet", value=name, remedy=remedy)
    chosen = named.pop(name or first)
    others = [title for title, sheet in named.items() if any(True for _ in _rows(sheet))]
    merged = []
    for each in chosen.merged_cells.ranges:
        columns = range(each.min_col - 1, each.max_col)
        merged.append((each.coord, columns[each.max_row == each.min_row :]))
    return Sheet(_rows(chosen), sorted(merged), others)


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
        if any(texts := [_text(value) for value in cells]):
            yield number, texts


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool):
        return str(value).upper()  # as Excel shows it
    return "" if value is None else str(value)
