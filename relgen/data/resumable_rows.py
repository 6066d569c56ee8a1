"""Results computed so far, kept on disk so that a killed run continues from there.

The file holds a header with the hash of all inputs, then one line of rows per chunk. Rows under
another header are dropped, and so is a last line that was not written completely.
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
    """Return a hash of settings, the content of files, a schema, and relgen's version.

    Args:
        settings: a dataclass.
        files: the files, of which the content counts and not the name.
        schema: the relations.

    Raises:
        InputError: a file is missing.
    """
    for file in files:
        if not Path(file).is_file():
            raise InputError("no such file", path=file, remedy="check the path")
    parts = [asdict(settings), [content_hash(file) for file in files], schema.to_dict()]
    return text_hash(json.dumps([*parts, __version__]))


class ResumableRows:
    """Rows of numbers or texts that are appended chunk by chunk and read back at the next start.

    Args:
        path: the file, which is created when it is missing.
        header: hash of everything that the rows depend on.
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
        """Add a chunk, which is on disk when this returns."""
        chunk = [list(row) for row in rows]
        self._append(chunk)
        self.rows += chunk

    def remove(self) -> None:
        """Delete the file, once its rows are stored elsewhere."""
        self._path.unlink(missing_ok=True)

    def _append(self, value: object) -> None:
        with self._path.open("ab") as stream:
            stream.write(_line(value))
            stream.flush()
            os.fsync(stream.fileno())


def _line(value: object) -> bytes:
    return (json.dumps(value) + "\n").encode()
