"""Writes rows chunk by chunk, with only a chunk in memory; a killed run resumes.

Rows are appended to `.NAME.partial` beside the file, and `.NAME.state` says what is on disk.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from relgen.common.files import read_record, refuse_special, write_json
from relgen.common.progress import report, tracked
from relgen.common.rows import Rows, chunked, read_jsonl, row_writer, to_jsonl

if TYPE_CHECKING:
    import pyarrow

_CONVERTED = 4096
Item = TypeVar("Item")
Work = Callable[[Sequence[Item]], tuple[Rows, Mapping[str, int]]]
"""Returns the rows of a chunk of items, and what to count."""


def stream_files(out: Path) -> tuple[Path, Path]:
    """Return the two files from which an unfinished stream resumes; its caller removes both."""
    name = out.name.lstrip(".")
    return out.with_name(f".{name}.partial"), out.with_name(f".{name}.state")


def stream_rows(
    work: Work[Item],
    items: Iterable[Item],
    out: Path,
    header: str,
    *,
    size: int,
    title: str,
    total: int,
    schema: Callable[[], pyarrow.Schema] | None = None,
) -> Counter[str]:
    """Write the rows of all items to `out`, which appears when it is complete; return the counts.

    Args:
        items: must have the same order at each call; those of an earlier run are skipped.
        header: a hash of everything that the rows depend on; rows with another one are discarded.
        size: items of a chunk.
        title: of the progress bar, which is shown for two chunks or more.
        total: the number of items.
        schema: returns the columns of Parquet, which is written if `out` ends in `.parquet`.
    """
    partial, state = stream_files(out)
    for path in (out, partial, state):
        refuse_special(path)
    out.parent.mkdir(parents=True, exist_ok=True)
    done = read_record(state)
    finished = done.get("header") == header and done["whole"]
    if finished and out.is_file() and not partial.exists():
        return Counter(done["counts"])
    written = partial.stat().st_size if partial.is_file() else 0
    if done.get("header") != header or written < done["bytes"]:
        done = {"header": header, "items": 0, "bytes": 0, "counts": {}, "whole": False}
        write_json(state, done)  # before the rows: it says whose they are
    counts = Counter(done["counts"])
    with partial.open("ab") as stream:
        stream.truncate(done["bytes"])
        report(done["items"], total, "sentences")
        rest = chunked(islice(items, done["items"], None), size)
        chunks = -(-(total - done["items"]) // size)
        for chunk in tracked(rest, title, chunks, shown=chunks > 1):
            rows, more = work(chunk)
            stream.write(to_jsonl(rows).encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
            counts.update(more)
            done = {**done, "items": done["items"] + len(chunk), "bytes": stream.tell()}
            write_json(state, {**done, "counts": counts})
            report(done["items"], total, "sentences")
    write_json(state, {**done, "counts": counts, "whole": True})
    if schema is None or out.suffix != ".parquet":
        os.replace(partial, out)
    else:
        with row_writer(out, schema) as write:
            for rows in chunked(read_jsonl(partial), _CONVERTED):
                write(rows)
        partial.unlink()
    return counts
