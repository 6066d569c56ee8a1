"""Reserves a run's folder for one experiment or grid, and for one process.

A file (`experiment.json`, `grid.json`) names the owner. A lock keeps other processes out while one
works in the folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relgen.common import InputError, read_json, try_lock, write_json
from relgen.experiments.config import Experiment

_LOCK = ".lock"


@dataclass(frozen=True)
class Owner:
    """The experiment or grid that a folder belongs to, as written to `KIND.json` there.

    The `rule` tells users what the identity depends on; `more` is further content of the file.
    """

    kind: str
    name: str
    identity: str
    rule: str
    more: Mapping[str, Any] = field(default_factory=dict)

    def claim(self, out: Path) -> None:
        """Create the folder unless it exists, and write the owner to it.

        Raises:
            InputError: it belongs to another owner, it is a file, or it was not made by relgen.
        """
        mark = out / f"{self.kind}.json"
        if mark.is_file():
            found = read_json(mark)
            if found.get("identity") != self.identity:
                raise InputError(
                    f"this folder belongs to another {self.kind}",
                    path=out,
                    value=found.get("name"),
                    remedy=f"choose another --out for '{self.name}' ({self.rule})",
                )
        elif out.is_file():
            raise InputError("this is a file", path=out, remedy="choose a folder for --out")
        elif out.is_dir():
            # an interrupted run may have left the lock, and KIND.json under its temporary name
            own = (_LOCK, f".{mark.name}.")
            if foreign := [p.name for p in out.iterdir() if not p.name.startswith(own)]:
                raise InputError(
                    "this folder is not empty, and was not made by relgen run",
                    path=out,
                    value=sorted(foreign)[:3],
                    remedy="choose a new folder for --out",
                )
        write_json(mark, {"name": self.name, "identity": self.identity, **self.more})


def owner_of(experiment: Experiment) -> Owner:
    """Return an experiment as the owner of its folder."""
    rule = "an experiment is identified by its file's name and its corpus"
    return Owner("experiment", experiment.name, experiment.identity(), rule)


@contextlib.contextmanager
def owned(owner: Owner, out: Path, *, shared: bool) -> Iterator[None]:
    """Claim a folder, and lock it unless processes share it.

    Raises:
        InputError: it belongs to another owner, or another process is working in it.
    """
    owner.claim(out)
    if shared:
        yield
        return
    with (out / _LOCK).open("w") as lock:
        if not try_lock(lock):
            raise InputError(
                "another relgen run is working in this folder",
                path=out,
                remedy="wait for it to finish, or choose another --out",
            )
        yield
