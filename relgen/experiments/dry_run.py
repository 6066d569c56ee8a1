"""Says what a run would do, without running it: its commands, their time, and missing samples."""

from __future__ import annotations

import contextlib
import io
import shlex
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from relgen.common import InputError, read_json
from relgen.data import foreign_language, iter_samples
from relgen.experiments.run_folders import earlier_output, is_done
from relgen.experiments.runner import Execute, RunOptions, chosen_stages, select
from relgen.experiments.stages import Plan, Stage

_LOOKED_AT = 200  # samples


def print_plan(
    plan: Plan, out: Path, options: RunOptions, execute: Execute, scratch: Path
) -> tuple[list[Stage], list[Stage]]:
    """Print the plan's commands in order, each below its stage's state.

    Returns the stages to do, and the finished ones that read the output of one to do: they are run
    again if that output changes.
    `execute` converts the corpus and draws the first seed's samples below `scratch`, to print what
    the split warns of, and which models hardly know the language of the samples. Raises InputError
    where that fails, or a stage is unknown.
    """
    forced, pending = select(plan, options.force), set[Path]()
    chosen, to_do, again = chosen_stages(plan, options), list[Stage](), list[Stage]()
    drawn = next((stage for stage in chosen if stage.kind == "split"), None)
    warnings = dict[Stage, list[str]]()
    if drawn is not None:
        folder = _draw(plan, drawn, execute, scratch)
        warnings = _language_warnings(folder / "train.jsonl", chosen)
        warnings[drawn] = read_json(folder / "manifest.json")["warnings"]
    for stage in chosen:
        state = "to do" if stage in forced else _state(stage, pending)
        if state != "done" or not stage.record.is_file():
            pending.add(stage.folder)
        if state != "done":
            (to_do if state == "to do" else again).append(stage)
        print(f"# {stage.name} ({state})\nrelgen {shlex.join(stage.command)}")
        print("".join(f"# warning: {line}\n" for line in warnings.get(stage, ())), end="")
    if "report" in options.only or not (options.only or options.seed):
        print(f"# report\nrelgen report {shlex.quote(str(out))}")
    return to_do, again


def _state(stage: Stage, pending: set[Path]) -> str:
    """Return whether a stage will run; the folders `pending` may get other output."""
    if not is_done(stage) and not earlier_output(stage, pending):
        return "to do"
    waits = any(pending.intersection(path.parents) for path in stage.inputs)
    return "done; again if its inputs change" if waits else "done"


def _draw(plan: Plan, split: Stage, execute: Execute, scratch: Path) -> Path:
    """Return the folder of a split, which is made below `scratch` if it is not done."""
    if is_done(split):
        return split.folder
    for line in _lines(plan, split, scratch):
        quiet = io.StringIO()
        with contextlib.redirect_stderr(quiet), contextlib.redirect_stdout(quiet):
            execute(line)
    return scratch / split.folder.name


def _language_warnings(train: Path, stages: Iterable[Stage]) -> dict[Stage, list[str]]:
    """Return what is said of each model that hardly knows the samples, at its first stage."""
    samples, found = list(islice(iter_samples(train), _LOOKED_AT)), dict[Stage, list[str]]()
    if foreign_language(samples) is None:
        return found
    from relgen.models import MULTILINGUAL_ENCODER, load_tokenizer, unknown_language

    first = {name: stage for stage in reversed(list(stages)) for name in stage.models}
    for name, stage in first.items():
        other = {"remedy": MULTILINGUAL_ENCODER} if stage.kind == "train" else {}
        with contextlib.suppress(InputError):  # not here: the stage will say so
            said = unknown_language(load_tokenizer(name), samples, model=name, **other)
            found.setdefault(stage, []).extend([said] if said else [])
    return found


def _lines(plan: Plan, split: Stage, scratch: Path) -> Iterator[list[str]]:
    """Yield the command lines of a split and of the corpus before it, writing below `scratch`."""
    corpus = [stage for stage in plan.stages if stage.name.startswith("corpus")]
    stages = [stage for stage in [*corpus, split] if not is_done(stage)]
    moved = {str(stage.folder): str(scratch / stage.folder.name) for stage in stages}
    for stage in stages:
        if (scratch / stage.folder.name).exists():  # another cell has the same
            continue
        words = list(stage.command)
        for before, after in moved.items():
            words = [word.replace(before, after) for word in words]
        yield words
