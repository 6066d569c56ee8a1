"""The journal of a generation: one line a round. A run that was killed reads it and goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relgen.common import InputError
from relgen.generation.backends.base import Draft
from relgen.generation.files.json_log import JsonLog, unreadable


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
        header: hash of settings and inputs: a journal of other ones is refused.

    Raises:
        InputError: the file has another header, or another process writes it.
    """

    def __init__(self, path: Path, header: str) -> None:
        self._log = JsonLog(path, header)
        try:
            self._rounds = [self._round(row) for row in self._log.rows]
        except BaseException:
            self._log.close()
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
                path=self._log.path,
                value=recorded.keys[:3],
                remedy="give --force to start afresh",
            )
        self._next += 1
        return recorded

    def record(self, entry: Round) -> None:
        """Appends a round; it is on the disk when this returns."""
        drafts = [draft.to_json() for draft in entry.drafts]
        self._log.append({"keys": list(entry.keys), "drafts": drafts, "seconds": entry.seconds})

    def close(self) -> None:
        """Closes the file and leaves it to the next process."""
        self._log.close()

    def discard(self) -> None:
        """Removes the file: the generation is finished."""
        self._log.discard()

    def _round(self, row: Any) -> Round:
        try:
            drafts = tuple(Draft.from_json(draft) for draft in row["drafts"])
            return Round(tuple(row["keys"]), drafts, float(row["seconds"]))
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(self._log, row) from error
