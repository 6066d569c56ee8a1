"""What a server has answered, kept as it comes: an answer that was paid for is never asked again.

The generation's journal knows whole rounds. A round may be hundreds of requests, and a run that
stops in the middle of one (a cut connection, Ctrl-C, an empty purse) goes on with the answers that
had come by then. The same lines are the account of tokens and costs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relgen.generation.backends.base import Draft
from relgen.generation.backends.usage import Usage
from relgen.generation.files.json_log import JsonLog, unreadable


class Answers:
    """The answers by request, and their sum.

    Args:
        path: of the file; made when it is missing.
        header: hash of settings and inputs: a file of other ones is refused.

    Raises:
        InputError: the file has another header, another process writes it, or a line is none.
    """

    def __init__(self, path: Path, header: str) -> None:
        self._log = JsonLog(path, header)
        self._drafts: dict[tuple[str, str], Draft] = {}
        self.total = Usage()
        try:
            for row in self._log.rows:
                self._take(row)
        except BaseException:
            self._log.close()
            raise

    def find(self, key: str, prompt_hash: str) -> Draft | None:
        """The draft that was answered to this request before."""
        return self._drafts.get((key, prompt_hash))

    def get(self, key: str, prompt_hash: str) -> Draft:
        """The same, where there must be one."""
        return self._drafts[key, prompt_hash]

    def add(self, key: str, prompt_hash: str, draft: Draft, usage: Usage) -> None:
        """Keeps an answer; it is on the disk when this returns."""
        self._append({"key": key, "prompt": prompt_hash, "draft": draft.to_json()}, usage)

    def add_unusable(self, usage: Usage) -> None:
        """Keeps the account of an answer that holds no draft, and is asked for again."""
        self._append({"draft": None}, usage)

    def close(self) -> None:
        """Closes the file and leaves it to the next process."""
        self._log.close()

    def discard(self) -> None:
        """Removes the file: the generation is finished."""
        self._log.discard()

    def _append(self, row: dict[str, Any], usage: Usage) -> None:
        row["usage"] = [usage.prompt, usage.completion]
        self._log.append(row)
        self._take(row)

    def _take(self, row: Any) -> None:
        try:
            prompt, completion = map(int, row["usage"])
            if row["draft"] is None:
                self.total += Usage(prompt, completion, unusable=1)
                return
            self._drafts[row["key"], row["prompt"]] = Draft.from_json(row["draft"])
            self.total += Usage(prompt, completion, answers=1)
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(self._log, row) from error
