"""Whose a run's folder is: one experiment's or grid's, and one process's unless they share it.

`experiment.json` names the owner; a lock, held while a process works, keeps others out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from relgen.common import InputError, read_json, try_lock, write_json
from relgen.experiments.config import Experiment

_OWNER = "experiment.json"
_LOCK = ".lock"


def claim(experiment: Experiment, out: Path) -> None:
    """Makes the folder this experiment's, for processes that work in it later.

    Raises:
        InputError: it belongs to something else.
    """
    _make_usable(experiment, out)
    write_json(out / _OWNER, _owner(experiment))


@contextlib.contextmanager
def owned(experiment: Experiment, out: Path, *, shared: bool) -> Iterator[None]:
    """Makes the folder this experiment's, and this process's alone unless it is `shared`.

    Raises:
        InputError: it belongs to something else, or another process is at work in it.
    """
    if shared:
        claim(experiment, out)
        yield
        return
    _make_usable(experiment, out)
    with (out / _LOCK).open("w") as lock:
        if not try_lock(lock):
            raise InputError(
                "another relgen run is at work in this folder",
                path=out,
                remedy="wait for it, or give another --out",
            )
        # again: another process may have been faster
        _refuse_others(experiment, out)
        write_json(out / _OWNER, _owner(experiment))
        yield


def _make_usable(experiment: Experiment, out: Path) -> None:
    _refuse_others(experiment, out)
    out.mkdir(parents=True, exist_ok=True)


def _owner(experiment: Experiment) -> dict[str, str]:
    return {"experiment": experiment.name, "identity": experiment.identity()}


def _refuse_others(experiment: Experiment, out: Path) -> None:
    mark = out / _OWNER
    if mark.is_file():
        found = read_json(mark)
        if found != _owner(experiment):
            raise InputError(
                "this folder belongs to another experiment",
                path=out,
                value=found.get("experiment"),
                remedy=f"give another --out for '{experiment.name}' (an experiment is known by its "
                "file's name and its corpus)",
            )
    else:
        # a kill can leave the lock, and the mark half-written under its temporary name
        refuse_foreign(out, (_LOCK, f".{_OWNER}."))


def refuse_foreign(out: Path, own: tuple[str, ...]) -> None:
    """Refuses a folder with files in it.

    Args:
        out: which need not be there.
        own: what the names of those may begin with that are relgen's.

    Raises:
        InputError: there are others, or it is a file.
    """
    if out.is_file():
        raise InputError("this is a file", path=out, remedy="give --out a folder")
    foreign = [p.name for p in out.iterdir() if not p.name.startswith(own)] if out.is_dir() else []
    if foreign:
        raise InputError(
            "this folder is not empty, and no run of relgen made it",
            path=out,
            value=sorted(foreign)[:3],
            remedy="give --out a new folder",
        )
