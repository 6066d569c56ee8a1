"""An append-only journal of drafts, from which an interrupted generation resumes.

One JSON object a line. The first line holds a hash of settings and inputs. Each further line holds
the drafts of one round (local model) or one answer (server), with time and token counts, and with
the number of chains at a time (`batch`) where memory decided on it:

    {"header": "9f…"}
    {"drafts": [{"key": "obo/1/causes/0/0/0/0", "prompt": "3b…/96", "text": "The <head>…",
     "finish": "stop", "tokens": 21, "logprobs": [-0.8]}], "seconds": 1.25, "usage": [0, 0, 0, 0]}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from relgen.common import InputError, append_line, resume_log
from relgen.generation.backends.base import Draft, DraftRequest
from relgen.prompting import Prompt


class Usage(NamedTuple):
    """Token counts of a server's answers; `unusable` ones hold no draft, but may be billed."""

    prompt: int = 0
    completion: int = 0
    answers: int = 0
    unusable: int = 0

    def cost(self, price_prompt: float, price_completion: float) -> float:
        """Return the cost, given prices per million tokens."""
        return (self.prompt * price_prompt + self.completion * price_completion) / 1e6


NewDraft = tuple[DraftRequest, Prompt, Draft]


class Journal:
    """Reads recorded drafts, then appends new ones; the caller locks the folder.

    `force` discards a journal of other settings or inputs, that is, with another `header`. Raises
    InputError if the file belongs to other settings or inputs.
    """

    def __init__(self, path: Path, header: str, *, force: bool = False) -> None:
        self.path = path
        self.seconds = 0.0
        self.usage = Usage()
        self._batch: int | None = None
        self._drafts: dict[str, tuple[str, Draft]] = {}
        for row in resume_log(path, header, force=force):
            self._take(row)

    def find(self, request: DraftRequest, prompt: Prompt) -> Draft | None:
        """Return the recorded draft for a request, or None; it must answer the same prompt."""
        fingerprint, draft = self._drafts.get(request.key, ("", None))
        if draft is not None and fingerprint != _fingerprint(request, prompt):
            raise InputError(
                "this journal belongs to another run: it contains another prompt for the same step",
                path=self.path,
                value=request.key,
                remedy="remove this file to start again",
            )
        return draft

    def add(
        self, drafts: Iterable[NewDraft] = (), *, seconds: float = 0.0, usage: Usage | None = None
    ) -> None:
        """Append drafts that are not recorded yet and their costs, and wait for the disk."""
        rows = [
            {"key": request.key, "prompt": _fingerprint(request, prompt), **asdict(draft)}
            for request, prompt, draft in drafts
            if request.key not in self._drafts
        ]
        row = {"drafts": rows, "seconds": seconds, "usage": list(usage or Usage())}
        row |= {} if self._batch is None else {"batch": self._batch}
        append_line(self.path, row)
        self._take(row)

    def keep_batch(self, batch: int) -> int:
        """Return how many chains ran at a time in the interrupted run, or record `batch` for this.

        The order of samples, and roundings, depend on it.
        """
        if self._batch is None:
            self._batch = batch
        return self._batch

    def _take(self, row: Any) -> None:
        try:
            self._batch = row.get("batch", self._batch)
            for entry in row["drafts"]:
                logprobs = tuple(entry["logprobs"])
                draft = Draft(entry["text"], entry["finish"], entry["tokens"], logprobs)
                self._drafts[entry["key"]] = entry["prompt"], draft
            self.seconds += float(row["seconds"])
            self.usage = Usage(*(a + int(b) for a, b in zip(self.usage, row["usage"], strict=True)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                "this journal cannot be read",
                path=self.path,
                value=row,
                remedy="remove this file to start again",
            ) from error


def _fingerprint(request: DraftRequest, prompt: Prompt) -> str:
    """Identify the prompt and the length limit that a draft answers."""
    return f"{prompt.hash}/{request.max_tokens}"
