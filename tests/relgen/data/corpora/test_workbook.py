"""Sheets of Excel workbooks, and their merged cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from relgen.common.errors import InputError
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

TEXT = 'Ann said "hi", in Bern.'
ROW = {"text": TEXT, "head": "Ann", "tail": "Bern", "relation": "NA"}


def _workbook(path: Path, **sheets: Sequence[Sequence[object]]) -> Workbook:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for cells in rows:
            sheet.append(cells)
    book.save(path)
    return book


def test_a_sheet_can_be_chosen_and_others_are_said(tmp_path: Path) -> None:
    path, first, second = tmp_path / "t.xlsx", {**ROW, "relation": "a"}, {**ROW, "relation": "b"}
    rows = {name: [list(ROW), list(row.values())] for name, row in (("A", first), ("B", second))}
    _workbook(path, **rows, Empty=[])
    checks = RecordChecks(path)
    assert [sample.relation for sample in reader("xlsx")(path, checks=checks)] == ["a"]
    assert checks.doubts == [
        f"{path}: only the first sheet was read, not B; relgen data convert --sheet chooses one"
    ]
    checks = RecordChecks(path)
    assert [s.relation for s in reader("xlsx")(path, sheet="B", checks=checks)] == ["b"]
    assert checks.doubts == []
    with pytest.raises(InputError, match=r"no such sheet \(got 'C'\); its sheets: A, B, Empty"):
        list(reader("xlsx")(path, sheet="C"))
    _workbook(path, Notes=[["Read this first."]], **{"My rows": rows["B"]})
    with pytest.raises(InputError, match=r"no column for text .*--sheet 'My rows'$"):
        list(reader("xlsx")(path))


@pytest.mark.parametrize(
    ("cells", "column"),
    [("A2:A3", "text"), ("B3:C3", "tail"), ("E1:E3", "relation"), ("C3:D3", None), ("F2:F3", None)],
)
def test_merged_cells_of_columns_that_are_read(
    cells: str, column: str | None, tmp_path: Path
) -> None:
    path, row = tmp_path / "t.xlsx", [TEXT, "Ann", "Bern", "unused", "r", "unused"]
    book = _workbook(path, A=[["text", "head", "tail", "note", "relation", "mine"], row, row])
    book["A"].merge_cells(cells)
    book.save(path)
    if column is None:
        assert len(list(reader("xlsx")(path))) == 2
        return
    with pytest.raises(InputError) as caught:
        list(reader("xlsx")(path))
    assert str(caught.value) == (
        f"{path}: field '{column}': merged cells, of which only the first has a value (got "
        f"'{cells}'); take them apart in the spreadsheet, and fill each one"
    )


def test_a_missing_workbook_is_no_damaged_one(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl", reason="needs the extra xlsx")
    with pytest.raises(InputError, match=r"none\.xlsx: no such file; check the path$"):
        list(reader("xlsx")(tmp_path / "none.xlsx"))


def test_cells_of_a_workbook_are_as_excel_shows_them(tmp_path: Path) -> None:
    rows = [["Ann in 2008", "Ann", 2008.0, "year"], ["Ann is TRUE", "Ann", True, False]]
    _workbook(tmp_path / "t.xlsx", A=[["text", "head", "tail", "relation"], [], *rows])
    first, second = reader("xlsx")(tmp_path / "t.xlsx")
    assert (first.id, first.tail_text) == ("t-3", "2008")
    assert (second.tail_text, second.relation) == ("TRUE", "FALSE")
