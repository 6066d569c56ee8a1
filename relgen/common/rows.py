"""Reads JSON lines, and writes rows as JSON lines or, by the file's ending, as Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from relgen.common.files import atomic_writer, read_lines
from relgen.common.json_text import decode_json, encode_json

if TYPE_CHECKING:
    import pyarrow

_ROW_GROUP = 8192
Item = TypeVar("Item")
Rows = Sequence[Mapping[str, Any]]


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items; the last may be shorter."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def to_jsonl(rows: Rows) -> str:
    """Return rows as lines of JSON."""
    return "".join(encode_json(row) + "\n" for row in rows)


def read_jsonl(path: str | Path) -> Iterator[Any]:
    """Yield the decoded lines of a file that relgen wrote."""
    return map(decode_json, read_lines(path))


@contextmanager
def row_writer(
    path: Path, schema: Callable[[], pyarrow.Schema], *, replace: bool = True
) -> Iterator[Callable[[Rows], Any]]:
    """Yield a function that writes rows; the file appears, complete, when the block has ended.

    `schema` returns the columns of a file that ends in `.parquet`, so that shards have the same
    ones whatever they hold; another file gets lines of JSON. For `replace` see `atomic_writer`.
    """
    if path.suffix != ".parquet":
        with atomic_writer(path, replace=replace) as stream:
            yield lambda rows: stream.write(to_jsonl(rows))
        return
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    columns, waiting = schema(), list[Mapping[str, Any]]()

    def write(rows: Rows, least: int = _ROW_GROUP) -> None:
        waiting.extend(rows)
        if len(waiting) >= least:
            writer.write_table(Table.from_pylist(waiting, columns))
            waiting.clear()

    with (
        atomic_writer(path, binary=True, replace=replace) as stream,
        ParquetWriter(stream, columns, compression="zstd") as writer,
    ):
        yield write
        write([], least=1)
