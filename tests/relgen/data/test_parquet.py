"""Rows of Parquet files."""

import pytest
from pyarrow import Table, parquet

from relgen.common.errors import InputError
from relgen.data.parquet import parquet_rows


def test_rows_have_places_also_beyond_a_part(tmp_path):
    file = tmp_path / "a.parquet"
    parquet.write_table(Table.from_pylist([{"n": n, "of": {"m": None}} for n in range(5000)]), file)
    columns, rows = parquet_rows(file)
    assert columns.names == ["n", "of"]
    assert list(rows)[4999] == ("[5000]", {"n": 4999, "of": {"m": None}})


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.parquet").write_text("text")
    for name, said in (("a", "a.parquet: not a Parquet file"), ("b", "no such file")):
        with pytest.raises(InputError, match=said):
            parquet_rows(tmp_path / f"{name}.parquet")
