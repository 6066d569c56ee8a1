"""The journal of a generation: a header, then one line a round, on the disk before it counts.

A run that was killed reads it and goes on. The header says what the drafts depend on (settings and
inputs, hashed): a journal of other ones is refused. A torn last line is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from relgen.errors import InputError
from relgen.generation.backends import Draft


@dataclass(frozen=True, slots=True)
class Round:
    """The drafts of one round, in the order of their requests.

    Args:
        keys: the requests' keys.
        drafts: what the model wrote.
        seconds: that it took.
    """

    keys: tuple[str, ...]
    drafts: tuple[Draft, ...]
    seconds: float


class Journal:
    """Reads what there is, then appends.

    Args:
        path: of the file; made when it is missing.
        header: hash of settings and inputs.

    Raises:
        InputError: the file has another header, or another process writes it.
    """

    def __init__(self, path: Path, header: str) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: IO[bytes] = path.open("a+b")
        try:
            _lock(self._stream, path)
            rows = self._read()
            if len(rows) == 1:  # nothing was drafted, so that nothing can be lost
                self._stream.truncate(0)
                rows = []
            if rows and rows[0] != {"header": header}:
                raise InputError(
                    "an unfinished generation with other settings or inputs stands here",
                    path=path,
                    remedy="choose another --out, or give --force to discard it",
                )
            if not rows:
                self._append({"header": header})
            self._rounds = [_round(row, path) for row in rows[1:]]
        except BaseException:
            self._stream.close()
            raise
        self._next = 0

    @property
    def replaying(self) -> bool:
        """Whether there are recorded rounds left."""
        return self._next < len(self._rounds)

    def __len__(self) -> int:
        return len(self._rounds)

    def replay(self, keys: Sequence[str]) -> Round:
        """The next recorded round. Raises InputError when it answers other requests."""
        recorded = self._rounds[self._next]
        if recorded.keys != tuple(keys):
            raise InputError(
                f"round {self._next} of this journal does not fit the run",
                path=self._path,
                value=recorded.keys[:3],
                remedy="give --force to start afresh",
            )
        self._next += 1
        return recorded

    def record(self, entry: Round) -> None:
        """Appends a round; it is on the disk when this returns."""
        drafts = [draft.to_json() for draft in entry.drafts]
        self._append({"keys": list(entry.keys), "drafts": drafts, "seconds": entry.seconds})

    def close(self) -> None:
        """Closes the file and leaves it to the next process."""
        self._stream.close()

    def discard(self) -> None:
        """Removes the file: the generation is finished."""
        self._path.unlink(missing_ok=True)
        self._stream.close()

    def _append(self, row: dict[str, Any]) -> None:
        self._stream.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

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


def _round(row: Any, path: Path) -> Round:
    try:
        drafts = tuple(Draft.from_json(draft) for draft in row["drafts"])
        return Round(tuple(row["keys"]), drafts, float(row["seconds"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            "this journal cannot be read", path=path, value=row, remedy="give --force"
        ) from error


class JournalInUseError(InputError):
    """Another process writes the journal; `--force` must not take it away."""


def _lock(stream: IO[bytes], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: two processes on one output are then the user's to avoid
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise JournalInUseError(
            "another process is writing this generation",
            path=path,
            remedy="wait for it, or choose another --out",
        ) from error
