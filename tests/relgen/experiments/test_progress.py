"""The progress of a run: lines in a log, a bar in a terminal."""

from __future__ import annotations

import io
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from relgen.common.files import write_json
from relgen.common.progress import LISTENER, report
from relgen.experiments.config import Experiment
from relgen.experiments.estimates import Estimates
from relgen.experiments.planner import plan
from relgen.experiments.progress import RunProgress
from relgen.experiments.stages import Plan, Stage


class Clock:
    """A clock that stands still until it is told how late it is."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def made(experiment: Experiment, tmp_path: Path) -> Plan:
    return plan(experiment, tmp_path / "run")


def progress_of(
    experiment: Experiment, made: Plan, stream: io.StringIO, clock: Clock
) -> RunProgress:
    return RunProgress(made.stages, Estimates([(experiment, made)]), stream=stream, clock=clock)


def done(stage: Stage, seconds: float) -> None:
    stage.folder.mkdir(parents=True)
    write_json(stage.record, {"seconds": seconds})


def test_a_log_has_a_line_every_half_minute(experiment: Experiment, made: Plan) -> None:
    stream, clock = io.StringIO(), Clock()
    progress = progress_of(experiment, made, stream, clock)
    split, chains, dpo = made.stages[:3]
    for stage in (split, chains):
        with progress.running(stage):
            clock.now += 4
            progress.tick()
            done(stage, 1.0)
    with progress.running(dpo):
        for _ in range(7):
            clock.now += 10
            progress.tick()
        done(dpo, 70.0)
    # all stages: 201 s
    assert stream.getvalue().splitlines() == [
        "[1/15] 0:00  seed1/split; about 3 min left",
        "[3/15] 0:38  seed1/dpo-a; about 3 min left",
        "[3/15] 1:08  seed1/dpo-a; about 3 min left",
    ]


def test_time_left_goes_down_and_learns(experiment: Experiment, made: Plan) -> None:
    clock = Clock()
    progress = progress_of(experiment, made, io.StringIO(), clock)
    before = progress.seconds_left()
    assert before is not None
    train = next(stage for stage in made.stages if stage.kind == "train")
    with progress.running(train):
        clock.now += 30
        assert progress.seconds_left() == pytest.approx(before - 30)
        clock.now += 70
        assert progress.seconds_left() == pytest.approx(before - 71.2 + 0.1 * 100)
        done(train, 142.4)
    # it took twice as long as expected, and so will all others that compute
    fixed = [stage.kind for stage in made.stages if not stage.models]
    short = sum(3.0 if kind == "diversity" else 1.0 for kind in fixed)
    assert progress.seconds_left() == pytest.approx(2 * (before - 71.2 - short) + short)


def test_a_stage_says_how_far_it_is(experiment: Experiment, made: Plan) -> None:
    stream, clock = io.StringIO(), Clock()
    progress = progress_of(replace(experiment, label=None), made, stream, clock)
    last = made.stages[-1]
    for stage in made.stages[:-1]:
        with progress.running(stage):
            done(stage, 1.0)
    stream.seek(0)
    stream.truncate()
    with progress.running(last):
        progress.report(1000, 4000, "sentences")  # of which a run before has read 1000
        for read in (1500, 2000, 4000):
            clock.now += 60
            progress.report(read, 4000, "sentences")
            progress.tick()
        progress.report(5, math.inf, "steps")
        clock.now += 60
        progress.tick()
        done(last, 240.0)
    lines = stream.getvalue().splitlines()
    assert lines[:3] == [
        f"[15/15] 1:00  {last.name}: 1500 of 4000 sentences; about 5 min left",
        f"[15/15] 2:00  {last.name}: 2000 of 4000 sentences; about 4 min left",
        f"[15/15] 3:00  {last.name}: 4000 of 4000 sentences; about 1 s left",
    ]
    assert lines[3].startswith(f"[15/15] 4:00  {last.name}: 5 steps; about ")


def test_a_log_names_the_stage_that_failed(experiment: Experiment, made: Plan) -> None:
    stream = io.StringIO()
    progress = progress_of(experiment, made, stream, Clock())
    split, chains = made.stages[:2]
    with progress.running(split):
        done(split, 1.0)
    with pytest.raises(KeyboardInterrupt), progress.running(chains):
        raise KeyboardInterrupt
    assert stream.getvalue().splitlines()[-1].startswith("[2/15] 0:00  seed1/chains-a; ")


def test_a_terminal_has_one_bar_and_what_stages_say_above_it(
    experiment: Experiment, made: Plan
) -> None:
    stream = Terminal()
    progress = progress_of(experiment, made, stream, Clock())
    with progress.shown():
        assert not sys.stderr.isatty()  # so that a stage shows no bar of its own
        assert LISTENER.get() is not None
        with progress.running(made.stages[0]):
            print("warning: [b] has few samples", file=sys.stderr)
            report(3, 8, "samples")
            progress.tick()
            done(made.stages[0], 1.0)
    assert LISTENER.get() is None
    said = stream.getvalue()
    assert "warning: [b] has few samples\n" in said
    assert "[1/15] 0:00  seed1/split" in said
    assert "seed1/split: 3 of 8 samples" in said
    assert "about 3 min left" in said
