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

_START = b'{"header":'


def inputs_hash(settings: Any, files: Sequence[str | Path], schema: dict[str, Any]) -> str:
    """Return a hash of settings, the content of files, a schema, and relgen's version.

    `schema` is from `RelationSchema.to_dict`. Raises InputError if a file is missing.
    """
    hashes = [content_hash(file) for file in files]
    return text_hash(json.dumps([asdict(settings), hashes, schema, __version__]))


def resume_log(
    path: Path,
    header: str,
    *,
    force: bool = False,
    other: str = "this unfinished run has other settings or inputs",
    remedy: str = "choose another --out, or discard it with --force",
) -> list[Any]:
    """Return the lines that an earlier run appended; create the log if it does not exist.

    A last line that a kill left unfinished is removed from the file.

    Args:
        path: the log.
        header: a hash of everything that its lines depend on.
        force: discard a log with another header, and a damaged one, but no file of others.
        other: the problem to report for a log with another header.
        remedy: what to do about it.

    Raises InputError, and changes nothing, if the file is another one or cannot be read.
    """
    refuse_special(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = path.read_bytes() if path.exists() else b""
    if not content.startswith(_START[: len(content)]):
        problem = "this is not a log that relgen wrote"
        raise InputError(problem, path=path, remedy="give another --out")
    try:
        lines = _whole_lines(path, content, remedy)
    except InputError:
        if not force:
            raise
        lines = []
    if lines[:1] == [{"header": header}]:
        os.truncate(path, content.rindex(b"\n") + 1)
        return lines[1:]
    if len(lines) > 1 and not force:
        raise InputError(other, path=path, remedy=remedy)
    path.write_bytes(b"")
    append_line(path, {"header": header})
    return []


def _whole_lines(path: Path, content: bytes, remedy: str) -> list[Any]:
    lines = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            lines.append(decode_json(line))
        except InputError as error:
            correct = f"correct or remove the line, or {remedy}"
            raise error.at(path=path, line=number, remedy=correct) from error
    return lines


def append_line(path: Path, value: Any) -> None:
    """Append a value as one line of JSON, which is on disk when this returns."""
    with path.open("ab") as stream:
        stream.write(encode_json(value).encode("utf-8") + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
