"""Rows as JSON lines and as Parquet."""

import pyarrow
import pytest
from pyarrow import parquet

from relgen.common.rows import chunked, read_jsonl, row_writer, to_jsonl

ROWS = [{"id": "a", "scores": {"x": 0.5}}, {"id": "é", "scores": None}]
SCORES = pyarrow.struct({"x": pyarrow.float64()})


def columns():
    return pyarrow.schema({"id": pyarrow.string(), "scores": SCORES, "set": pyarrow.string()})


def test_chunks():
    assert list(chunked(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunked([], 3)) == []


def test_lines_of_json(tmp_path):
    with row_writer(tmp_path / "a.jsonl", columns) as write:
        write(ROWS[:1])
        write(ROWS[1:])
    assert list(read_jsonl(tmp_path / "a.jsonl")) == ROWS
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == to_jsonl(ROWS)


@pytest.mark.parametrize("size", [0, 2, 10_000])
def test_parquet_has_the_same_columns_whatever_it_holds(tmp_path, size):
    with row_writer(tmp_path / "a.parquet", columns) as write:
        for row in (ROWS * size)[:size]:
            write([row])
    file = parquet.ParquetFile(tmp_path / "a.parquet")
    assert file.schema_arrow == columns()
    assert file.num_row_groups == (2 if size == 10_000 else min(size, 1))
    expected = [row | {"set": None} for row in (ROWS * size)[:size]]
    assert file.read().to_pylist() == expected


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_a_stopped_block_leaves_nothing(tmp_path, name):
    def stopped():
        with row_writer(tmp_path / name, columns) as write:
            write(ROWS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(tmp_path.iterdir()) == []
