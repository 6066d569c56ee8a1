"""Rows of Parquet files, of which a part is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relgen.common import InputError, no_such_file

if TYPE_CHECKING:
    import pyarrow

_ROWS = 4096


def parquet_rows(path: Path) -> tuple[pyarrow.Schema, Iterator[tuple[str, dict[str, Any]]]]:
    """Return the columns of a file, and its rows with their places, such as `[1]`."""
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    if not path.is_file():
        raise no_such_file(path)
    try:
        file = ParquetFile(path)
    except ArrowInvalid as error:
        problem, remedy = f"not a Parquet file: {error}", "write it again"
        raise InputError(problem, path=path, remedy=remedy) from error
    rows = chain.from_iterable(batch.to_pylist() for batch in file.iter_batches(_ROWS))
    return file.schema_arrow, ((f"[{number}]", row) for number, row in enumerate(rows, start=1))
