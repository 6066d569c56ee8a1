"""Keeps two commands from writing to one folder at the same time."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from relgen.common.errors import InputError

LOCK_FILE = ".relgen.lock"
_SECONDS = 1.0  # between two attempts
_held: set[tuple[Path, int]] = set()


@contextmanager
def locked(
    folder: str | Path, *, name: str = LOCK_FILE, waiting: str | None = None
) -> Iterator[None]:
    """Lock a folder while the block writes to it; make the folder if need be.

    The thread that holds a lock may take it again. A lock ends with its process; its file is
    removed, and so is a folder that was made for it and is still empty.

    Args:
        folder: the folder. One that cannot be made is left for the block to report.
        name: of the file in it; locks of different names are different locks.
        waiting: what to say while another process holds the lock; None refuses at once.

    Raises:
        InputError: another process holds the lock, or the file system has none.
    """
    path = Path(folder).resolve() / name
    key = path, threading.get_ident()
    new = [one for one in (path.parent, *path.parent.parents) if not one.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        yield
        return
    if key in _held:
        yield
        return
    lock = FileLock(path, thread_local=False)
    _acquire(lock, Path(folder), waiting)
    _held.add(key)
    try:
        yield
    finally:
        _held.remove(key)
        with suppress(OSError):  # before the release: then it is no other process's lock
            path.unlink()
        lock.release()
        with suppress(OSError):
            for one in new:
                one.rmdir()


def _acquire(lock: FileLock, folder: Path, waiting: str | None) -> None:
    said = False
    try:
        while True:
            try:
                lock.acquire(timeout=_SECONDS if said else 0)
            except Timeout:
                if waiting is None:
                    raise InputError(
                        "another relgen command is writing to this folder",
                        path=folder,
                        remedy="wait until it ends, or choose another --out",
                    ) from None
                if not said:
                    print(waiting, file=sys.stderr, flush=True)
                said = True
            else:
                return
    except (OSError, NotImplementedError) as error:
        if isinstance(error, PermissionError):
            raise
        raise InputError(
            f"files cannot be locked here: {getattr(error, 'strerror', None) or error}",
            path=folder,
            remedy="take a folder on another file system; Lustre needs the mount option flock",
        ) from error


def is_first_process() -> bool:
    """Return whether this is the only process of a training, or the first of several."""
    names = ("LOCAL_RANK", "RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") in ("", "0") for name in names)
