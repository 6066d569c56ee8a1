"""Show the progress of a generation on stderr if it takes longer than a few seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from relgen.generation.loop import RoundResult
from relgen.generation.states import RelationState

_QUIET_SECONDS = 3.0


class GenerationProgress:
    """A progress bar with accepted samples, drafts, tokens per second and the remaining time."""

    def __init__(self, states: Sequence[RelationState]) -> None:
        self._states = states
        self._begun = time.monotonic()
        self._tokens = 0
        self._seconds = 0.0
        self._bar = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f} samples"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
            transient=True,
        )
        wanted = sum(state.wanted for state in states)
        self._task = self._bar.add_task("", total=wanted, note="")

    def update(self, result: RoundResult) -> None:
        if result.seconds:  # not read from the journal
            self._tokens += result.tokens
            self._seconds += result.seconds
        if time.monotonic() - self._begun > _QUIET_SECONDS:
            self._bar.start()
        drafts = sum(state.drafts for state in self._states)
        speed = f", {self._tokens / self._seconds:.0f} tokens/s" if self._seconds else ""
        accepted = sum(state.accepted for state in self._states)
        self._bar.update(self._task, completed=accepted, note=f"{drafts} drafts{speed}")

    def close(self) -> None:
        if self._bar.live.is_started:
            self._bar.stop()
