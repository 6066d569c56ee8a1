"""A file of JSON lines that outlives its process: appended to, on the disk before it counts.

Its header says what the lines depend on; a file with another header is refused. A torn last line
is dropped. One process writes at a time.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

from relgen.common import InputError, try_lock


class LogInUseError(InputError):
    """Another process writes the file; `--force` must not take it away."""


class JsonLog:
    """Reads what there is (`rows`), then appends.

    Args:
        path: of the file; made when it is missing.
        header: hash of what the lines depend on.

    Raises:
        InputError: the file has another header, or another process writes it.
    """

    def __init__(self, path: Path, header: str) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: IO[bytes] = path.open("a+b")
        try:
            if not try_lock(self._stream):
                raise LogInUseError(
                    "another process is writing this generation",
                    path=path,
                    remedy="wait for it, or choose another --out",
                )
            rows = self._read()
            if len(rows) == 1:  # nothing but a header, so that nothing can be lost
                self._stream.truncate(0)
                rows = []
            if rows and rows[0] != {"header": header}:
                raise InputError(
                    "an unfinished generation with other settings or inputs stands here",
                    path=path,
                    remedy="choose another --out, or give --force to discard it",
                )
            if not rows:
                self.append({"header": header})
        except BaseException:
            self._stream.close()
            raise
        self.rows = rows[1:]

    def append(self, row: dict[str, Any]) -> None:
        """Writes a line; it is on the disk when this returns."""
        self._stream.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Closes the file and leaves it to the next process."""
        self._stream.close()

    def discard(self) -> None:
        """Removes the file: nothing will go on from it."""
        self.path.unlink(missing_ok=True)
        self._stream.close()

    def _read(self) -> list[Any]:
        """The whole lines; cuts the file after them."""
        self._stream.seek(0)
        rows, end = [], 0
        for line in self._stream.read().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
            end += len(line)
        self._stream.truncate(end)
        self._stream.seek(0, os.SEEK_END)
        return rows


def unreadable(log: JsonLog, row: Any) -> InputError:
    """The error for a whole line that holds something else than was written."""
    return InputError(
        "this journal cannot be read", path=log.path, value=row, remedy="give --force"
    )
