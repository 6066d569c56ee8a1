"""Shows how much of a run is done and how long the rest will take.

In a terminal this is one bar for all stages, in place of the stages' own; elsewhere, such as in a
log, it is a line at the start and then at most one every half minute.
"""

from __future__ import annotations

import contextlib
import io
import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from relgen.common import LISTENER, read_json
from relgen.experiments.estimates import Estimates, in_words
from relgen.experiments.run_folders import is_done
from relgen.experiments.stages import Stage

_EVERY = 30.0  # seconds between two lines
_TICK = 0.5


class RunProgress:
    """The progress of the stages of a run; cells of a grid may share some.

    Args:
        stages: all that the run goes through.
        estimates: of how long each takes; they learn from those that are done.
        stream: what to write to, by default stderr.
        clock: returns seconds.
    """

    def __init__(
        self,
        stages: Iterable[Stage],
        estimates: Estimates,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stages = {stage.folder: stage for stage in stages}
        self._left = {key: stage for key, stage in self._stages.items() if not is_done(stage)}
        self._estimates, self._clock = estimates, clock
        self._stream = stream or sys.stderr
        self._started = self._began = clock()
        self._stage: Stage | None = None
        self._parts: tuple[float, float, str] | None = None  # what the stage has reported last
        self._first: tuple[float, float] | None = None  # the time and the parts of its first report
        self._said: tuple[float, Stage] | None = None  # when the last line was written, and on what
        self._lock = threading.RLock()
        self._bar: Progress | None = None
        if self._stream.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(20),
                TextColumn("{task.fields[left]}"),
            )
            console = Console(file=self._stream)
            self._bar = Progress(*columns, console=console, transient=True, redirect_stderr=False)
            self._bar.add_task("", total=1.0, left="")

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the progress while the block runs; what it writes to stderr appears above a bar."""
        stop = threading.Event()

        def follow() -> None:
            while not stop.wait(_TICK):
                self.tick()

        thread = threading.Thread(target=follow, daemon=True)
        with contextlib.ExitStack() as stack:
            if self._bar is not None:
                stack.enter_context(self._bar)
                above: TextIO = _Above(self._bar.console)  # type: ignore[assignment]
                stack.enter_context(contextlib.redirect_stderr(above))
            thread.start()
            before = LISTENER.set(self.report)
            try:
                yield
            finally:
                LISTENER.reset(before)
                stop.set()
                thread.join()

    @contextlib.contextmanager
    def running(self, stage: Stage) -> Iterator[None]:
        """Count a stage as the one that runs, and afterwards as done."""
        with self._lock:
            self._stage, self._began = stage, self._clock()
            self._parts = self._first = None
            self._left.setdefault(stage.folder, stage)
        self.tick()
        try:
            yield
        except BaseException:
            if self._bar is not None or self._said is None or self._said[1] is not stage:
                self._say()  # whoever reads the error wants to know where it was
            raise
        with self._lock:
            self._stage = None
            del self._left[stage.folder]
            self._estimates.learn(stage, read_json(stage.record)["seconds"])

    def report(self, done: float, total: float, what: str) -> None:
        """Take how far the running stage is; the time that it will still take follows from it."""
        with self._lock:
            self._parts = done, total, what
            self._first = self._first or (self._clock(), done)

    def tick(self) -> None:
        """Move the bar, or write a line if the last one is half a minute ago."""
        with self._lock:
            if self._stage is None:
                return
            if self._bar is not None:
                spent, left = self._clock() - self._started, self.seconds_left()
                self._bar.update(
                    self._bar.task_ids[0],
                    description=self._place(),
                    completed=0.0 if left is None else spent / max(spent + left, 1e-9),
                    left=self._remaining(),
                )
            elif self._said is None or self._clock() - self._said[0] >= _EVERY:
                self._say()

    def seconds_left(self) -> float | None:
        """Return the time for all stages that are not done; None if one cannot be estimated."""
        total = 0.0
        for stage in self._left.values():
            spent = self._clock() - self._began if stage is self._stage else 0.0
            rest = self._rest() if stage is self._stage else None
            if rest is None:
                seconds = self._estimates.seconds(stage)
                if seconds is None:
                    return None
                rest = max(seconds - spent, 0.1 * max(seconds, spent))  # also where it takes longer
            total += rest
        return total

    def _rest(self) -> float | None:
        """Return the time that the rest of the running stage's parts will take, if any is done."""
        if self._parts is None or self._first is None:
            return None
        (done, total, _), (began, before) = self._parts, self._first
        known = done > before and done <= total < math.inf
        return (self._clock() - began) * (total - done) / (done - before) if known else None

    def _say(self) -> None:
        assert self._stage is not None
        self._said = self._clock(), self._stage
        line = f"{self._place()}; {self._remaining()}"
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=self._stream, flush=True)

    def _place(self) -> str:
        assert self._stage is not None
        spent = int(self._clock() - self._started)
        number = list(self._stages).index(self._stage.folder) + 1
        clock = f"{spent // 60}:{spent % 60:02d}"
        place = f"[{number}/{len(self._stages)}] {clock}  {self._stage.name}"
        if self._parts is None:
            return place
        done, total, what = self._parts
        whole = f" of {total:.0f}" if total < math.inf else ""
        return f"{place}: {done:.0f}{whole} {what}"

    def _remaining(self) -> str:
        left = self.seconds_left()
        return "time left not known yet" if left is None else f"about {in_words(left)} left"


class _Above(io.TextIOBase):
    """A stderr whose lines appear above the bar. It is no terminal, so that stages show no bars."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._line = ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        return len(text)
