"""Results worked out so far, on the disk: what was killed goes on from there.

A header that says what they depend on, then one line of rows a chunk. What another header stands
over is of no use, and is dropped with it; so is a torn last line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.common import InputError, content_hash, text_hash
from relgen.data.schema import RelationSchema


def inputs_hash(settings: Any, files: Sequence[str | Path], schema: RelationSchema) -> str:
    """The header of rows that depend on settings, files and a schema, and on relgen's version.

    Args:
        settings: a dataclass.
        files: by content.
        schema: the relations.

    Raises:
        InputError: a file is missing.
    """
    for file in files:
        if not Path(file).is_file():
            raise InputError("no such file", path=file, remedy="check the path")
    parts = [asdict(settings), [content_hash(file) for file in files], schema.to_dict()]
    return text_hash(json.dumps([*parts, __version__]))


class PartialRows:
    """Rows of numbers or texts that are appended chunk by chunk, and read back at the next start.

    Args:
        path: of the file; made when it is missing.
        header: hash of all that the rows depend on.
    """

    def __init__(self, path: Path, header: str) -> None:
        self._path = path
        self.rows: list[list[Any]] = []
        whole = 0
        if path.is_file():
            lines = path.read_bytes().splitlines(keepends=True)
            if lines and lines[0] == _line({"header": header}):
                whole = len(lines[0])
                for line in lines[1:]:
                    if not line.endswith(b"\n"):
                        break
                    self.rows += json.loads(line)
                    whole += len(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.truncate(whole)
        if not whole:
            self._append({"header": header})

    def append(self, rows: Sequence[Sequence[Any]]) -> None:
        """Adds a chunk; it is on the disk when this returns."""
        chunk = [list(row) for row in rows]
        self._append(chunk)
        self.rows += chunk

    def remove(self) -> None:
        """Deletes the file, once the rows stand elsewhere."""
        self._path.unlink(missing_ok=True)

    def _append(self, value: object) -> None:
        with self._path.open("ab") as stream:
            stream.write(_line(value))
            stream.flush()
            os.fsync(stream.fileno())


def _line(value: object) -> bytes:
    return (json.dumps(value) + "\n").encode()
