"""Run folders: their owners, their locks, and the state of the stages in them.

A file (`experiment.json`, `grid.json`) names the owner of a folder. A lock keeps other processes
out while one works in the folder, or in the folder of one stage.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.common import (
    LOCK_FILE,
    InputError,
    locked,
    read_json,
    read_record,
    text_hash,
    write_json,
)
from relgen.experiments.config import Experiment
from relgen.experiments.grid import Grid
from relgen.experiments.stages import Plan, Stage, model_hashes, read_hash

_WEIGHTS = (".ckpt", ".safetensors")
CURRENT = "current"
"""The folder with the stages of the plan that was run last, by their names without hashes."""


def claim(owner: Experiment | Grid, out: Path) -> None:
    """Create a folder and name its owner in it; raise InputError if it has another owner."""
    mark, content = check_owner(owner, out)
    write_json(mark, content)


def check_owner(owner: Experiment | Grid, out: Path) -> tuple[Path, dict[str, Any]]:
    """Return the file that names a folder's owner, and its content.

    Raises InputError if the folder has another owner, or is none of a run.
    """
    if isinstance(owner, Grid):
        kind, rule = "grid", "a grid is identified by its file's name"
        content: dict[str, Any] = {"name": owner.name, "identity": text_hash(owner.name)[:16]}
        content |= {"cells": [cell.name for cell in owner.cells], "settings": owner.source}
    else:
        kind, rule = "experiment", "an experiment is identified by its file's name and its corpus"
        content = {"name": owner.name, "identity": owner.identity()}
    mark = out / f"{kind}.json"
    if mark.is_file():
        found = read_record(mark)
        if found.get("identity") != content["identity"]:
            raise InputError(
                f"this folder belongs to another {kind}",
                path=out,
                value=found.get("name"),
                remedy=f"choose another --out for '{owner.name}' ({rule})",
            )
    elif out.is_file():
        raise InputError("this is a file", path=out, remedy="choose a folder for --out")
    elif out.is_dir():
        # an interrupted run may have left the lock, and the mark under its temporary name
        own = (LOCK_FILE, f".{mark.name}.")
        if foreign := [p.name for p in out.iterdir() if not p.name.startswith(own)]:
            raise InputError(
                "this folder is not empty, and was not made by relgen run",
                path=out,
                value=sorted(foreign)[:3],
                remedy="choose a new folder for --out",
            )
    return mark, content


@contextlib.contextmanager
def owned(experiment: Experiment, out: Path, *, shared: bool) -> Iterator[None]:
    """Claim a folder, and lock it unless processes share it."""
    claim(experiment, out)
    with contextlib.nullcontext() if shared else locked(out):
        yield


@contextlib.contextmanager
def reserved(stage: Stage) -> Iterator[None]:
    """Lock a stage, after waiting for a process that is running it."""
    waiting = f"waiting for the process that runs {stage.name}"
    with locked(stage.folder, beside=True, waiting=waiting):
        yield


def is_done(stage: Stage) -> bool:
    """Return True if the stage has a record and its inputs have not changed since.

    Deleted weights (`keep_weights: false`) count as unchanged.
    """
    if not stage.record.is_file():
        return False
    then, now = read_record(stage.record).get("inputs", {}), input_hashes(stage)
    deleted = [name for name, found in now.items() if not found and name.endswith(_WEIGHTS)]
    return bool(then == now | {name: then.get(name) for name in deleted})


def link_current(stage: Stage, out: Path) -> None:
    """Let `current/NAME` in a run's folder lead to a finished stage's output, else to nothing.

    It is a link; on a file system without links, a copy.
    """
    place = out / CURRENT / stage.name
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    if not stage.record.is_file():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        temporary.symlink_to(os.path.relpath(stage.folder, place.parent), target_is_directory=True)
    except OSError:
        shutil.copytree(stage.folder, temporary, copy_function=_link)
    temporary.replace(place)  # processes of several seeds link the stages that they share


def require_inputs(stage: Stage, plan: Plan) -> None:
    """Raise InputError if an input of the stage does not exist, naming the stage to run."""
    for path in stage.inputs:
        if path.exists():
            continue
        makers = [s.name for s in plan.stages if s.folder in path.parents and s.record.is_file()]
        why, remedy = "does not exist yet", "run the stages before it as well, without --only"
        if makers:
            why = "was deleted" + (" (keep_weights: false)" if path.suffix in _WEIGHTS else "")
            remedy = f"run the stage that writes it again, with --force {makers[0]}"
        problem = f"stage {stage.name} needs this file, which {why}"
        raise InputError(problem, path=path, remedy=remedy)


def delete_weights(stages: Iterable[Stage]) -> None:
    """Delete the weights of each finished training whose readers are all done."""
    distinct = list({stage.folder: stage for stage in stages}.values())
    for training in distinct:
        if training.kind != "train" or not training.record.is_file():
            continue
        weights = [path for path in training.folder.glob("*/*") if path.suffix in _WEIGHTS]
        if weights:
            readers = [s for s in distinct if any(training.folder in p.parents for p in s.inputs)]
            if all(is_done(stage) for stage in (training, *readers)):
                for path in weights:
                    path.unlink(missing_ok=True)


def clear(stage: Stage) -> None:
    """Delete the output of a stage, its record first."""
    stage.record.unlink(missing_ok=True)
    for folder in filter(None, (stage.folder, stage.curves)):
        shutil.rmtree(folder, ignore_errors=True)


def earlier_output(stage: Stage, unknown: Collection[Path] = ()) -> Path | None:
    """Return the folder in which the stage's command has run before, on inputs of this content.

    Its name differs where a stage before it has changed and yet come out as before. Inputs below
    the folders `unknown` are taken to come out as before.
    """
    ours, names = input_hashes(stage, unknown), input_names(stage).keys()
    stem = glob.escape(stage.name.rpartition("/")[2])
    for record in sorted(stage.folder.parent.glob(f"{stem}-{'?' * 10}/stage.json")):
        found = read_record(record)
        same = (
            found.keys() >= {"command", "inputs"}
            and _without_hashes(found["command"][1:]) == _without_hashes(stage.command)
            and found["inputs"].keys() == names
            and ours.items() <= found["inputs"].items()
            and found.get("models") == model_hashes(stage.models)
            and found["relgen_version"] == __version__
        )
        whole = stage.kind != "train" or any(record.parent.glob("checkpoints/*.ckpt"))
        if same and whole:
            return record.parent
    return None


def take_output(stage: Stage, folder: Path) -> None:
    """Make the output of an earlier stage that of this one as well, without copying its files."""
    shutil.rmtree(stage.folder, ignore_errors=True)
    temporary = stage.folder.with_name(f".{stage.folder.name}.taken")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(folder, temporary, copy_function=_link)
    record = temporary / stage.record.name
    write_json(record, {**read_json(record), "command": ["relgen", *stage.command]})
    temporary.rename(stage.folder)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)


def _without_hashes(command: Sequence[str]) -> list[str]:
    """Return a command line in which folders of stages are named without hash and place."""
    return [re.sub(r"^.*\bstages/(.+?)-[0-9a-f]{10}(?=/|$)", r"\1", word) for word in command]


def input_names(stage: Stage) -> dict[str, Path]:
    """Return every input by its position and name, so that a run may be moved to another folder."""
    return {f"{index}/{path.name}": path for index, path in enumerate(stage.inputs)}


def input_hashes(stage: Stage, unknown: Collection[Path] = ()) -> dict[str, str]:
    """Return the content hash of every input of `input_names`; empty for one that does not exist.

    Inputs below the folders `unknown` are left out.
    """
    return {
        name: read_hash(path, explained=stage.explained) if path.exists() else ""
        for name, path in input_names(stage).items()
        if not unknown or not set(unknown) & set(path.parents)
    }
