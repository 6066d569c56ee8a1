"""Keeps two commands from writing to one folder, or to one file, at the same time."""

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
    place: str | Path, *, beside: bool = False, waiting: str | None = None
) -> Iterator[None]:
    """Lock a folder while the block writes to it; make the folder if need be.

    The thread that holds a lock may take it again. A lock ends with its process; its file is
    removed, and so is a folder that was made for it and is still empty.

    Args:
        place: the folder. One that cannot be made is left for the block to report.
        beside: the place is a file or a folder that is locked by `.NAME.lock` beside it, so that
            others of other names may be written there.
        waiting: what to say while another process holds the lock; None refuses at once.

    Raises:
        InputError: another process holds the lock, or the file system has none.
    """
    path = Path(place).resolve()
    path = path.with_name(f".{path.name}.lock") if beside else path / LOCK_FILE
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
    _acquire(lock, Path(place), f"to this {'file' if beside else 'folder'}", waiting)
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


def _acquire(lock: FileLock, place: Path, where: str, waiting: str | None) -> None:
    said = False
    try:
        while True:
            try:
                lock.acquire(timeout=_SECONDS if said else 0)
            except Timeout:
                if waiting is None:
                    raise InputError(
                        f"another relgen command is writing {where}",
                        path=place,
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
            path=place,
            remedy="take a folder on another file system; Lustre needs the mount option flock",
        ) from error


def is_first_process() -> bool:
    """Return whether this is the only process of a training, or the first of several."""
    names = ("LOCAL_RANK", "RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") in ("", "0") for name in names)
