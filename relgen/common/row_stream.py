"""Writes JSON lines chunk by chunk, with only a chunk in memory; a killed run resumes.

Rows are appended to `.NAME.partial` beside the file, and `.NAME.state` says what is on disk. For
results that are needed together see `append_log`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from relgen.common.files import read_json, refuse_special, write_json
from relgen.common.json_text import encode_json

Item = TypeVar("Item")
Work = Callable[[Sequence[Item]], tuple[Sequence[Mapping[str, Any]], Mapping[str, int]]]
"""Returns the rows of a chunk of items, and what to count."""


def stream_files(out: Path) -> tuple[Path, Path]:
    """Return the two files from which an unfinished stream resumes."""
    return out.with_name(f".{out.name}.partial"), out.with_name(f".{out.name}.state")


def stream_rows(
    work: Work[Item],
    items: Iterable[Item],
    out: Path,
    header: str,
    *,
    size: int,
    shown: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Counter[str]:
    """Write the rows of all items to `out`, which appears when it is complete; return the counts.

    Args:
        items: must have the same order at each call; those of an earlier run are skipped.
        header: a hash of everything that the rows depend on; rows with another one are discarded.
        size: items of a chunk.
        shown: wraps the chunks, for a progress bar.
    """
    partial, state = stream_files(out)
    for path in (out, partial, state):
        refuse_special(path)
    out.parent.mkdir(parents=True, exist_ok=True)
    done = read_json(state) if state.is_file() else {}
    written = partial.stat().st_size if partial.is_file() else 0
    if done.get("header") != header or written < done["bytes"]:
        done = {"header": header, "items": 0, "bytes": 0, "counts": {}}
    counts = Counter(done["counts"])
    with partial.open("ab") as stream:
        stream.truncate(done["bytes"])
        for chunk in shown(chunked(islice(items, done["items"], None), size)):
            rows, more = work(chunk)
            stream.write(b"".join(encode_json(row).encode("utf-8") + b"\n" for row in rows))
            stream.flush()
            os.fsync(stream.fileno())
            counts.update(more)
            done = {**done, "items": done["items"] + len(chunk), "bytes": stream.tell()}
            write_json(state, {**done, "counts": counts})
    os.replace(partial, out)
    return counts


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items; the last may be shorter."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
