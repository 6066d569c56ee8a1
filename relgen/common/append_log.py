"""Append-only logs of JSON lines, from which a killed run resumes.

The first line is `{"header": …}` with a hash of everything that the results depend on. Each later
line is on disk before the run continues.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.common.errors import InputError
from relgen.common.files import content_hash, refuse_special, text_hash
from relgen.common.json_text import decode_json, encode_json


def inputs_hash(settings: Any, files: Sequence[str | Path], schema: dict[str, Any]) -> str:
    """Return a hash of settings, the content of files, a schema, and relgen's version.

    `schema` is from `RelationSchema.to_dict`. Raises InputError if a file is missing.
    """
    hashes = [content_hash(file) for file in files]
    return text_hash(json.dumps([asdict(settings), hashes, schema, __version__]))


def resume_log(path: Path, header: str, *, force: bool) -> list[Any]:
    """Return the lines that an earlier run appended; create the log if it does not exist.

    An incomplete last line is removed from the file. `force` discards the lines of a log with
    another header; otherwise they raise InputError.
    """
    lines, end = [], 0
    refuse_special(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        stream.seek(0)
        for raw in stream:
            try:
                lines.append(decode_json(raw if raw.endswith(b"\n") else b""))
            except ValueError:
                break
            end += len(raw)
        stream.truncate(end)
    if lines and lines[0] == {"header": header}:
        return lines[1:]
    if len(lines) > 1 and not force:
        raise InputError(
            "this unfinished run has other settings or inputs",
            path=path,
            remedy="choose another --out, or discard it with --force",
        )
    path.write_bytes(b"")
    append_line(path, {"header": header})
    return []


def append_line(path: Path, value: Any) -> None:
    """Append a value as one line of JSON, which is on disk when this returns."""
    with path.open("ab") as stream:
        stream.write(encode_json(value).encode("utf-8") + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
