"""Decides where a command may write: never over an input or a file that relgen did not write."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relgen.common.errors import InputError
from relgen.common.files import read_json, refuse_special

EXPORT_FILE = "relgen_export.json"
"""Every folder that `relgen export` writes has this file, with the origin of the export."""
_OTHER_OUT = "give another --out"


def check_outputs(
    outputs: Iterable[str | Path],
    inputs: Iterable[str | Path | None],
    *,
    replaced: Iterable[str | Path] = (),
) -> None:
    """Raise InputError where a command would overwrite an input, or one output by another.

    Neither is an output a device or a pipe, which might never be read. Links are followed, and two
    names of one file count as the same file, also those that differ in large letters only.

    Args:
        outputs: files that the command writes, in any order.
        inputs: files and folders that it reads; None for an option that is not given.
        replaced: folders that it replaces entirely.
    """
    read = [Path(path) for path in inputs if path is not None]
    written: dict[str, Path] = {}
    for path in map(Path, (*outputs, *replaced)):
        refuse_special(path)
        for other in read:
            if _same(path, other):
                raise InputError("this is an input of the command", path=path, remedy=_OTHER_OUT)
        # some file systems tell neither large letters from small ones nor two forms of a letter
        name = unicodedata.normalize("NFC", str(path.resolve()).casefold())
        if (first := written.setdefault(name, path)) is not path:
            raise InputError(
                "two outputs of the command would be this file", path=first, remedy=_OTHER_OUT
            )
    for folder in map(Path, replaced):
        for other in read:
            if is_within(other, folder):
                raise InputError(
                    f"an input of the command is in this folder, which would be replaced: {other}",
                    path=folder,
                    remedy=_OTHER_OUT,
                )


def refuse_foreign(paths: Iterable[str | Path], writer: str) -> None:
    """Raise InputError if one of the files that a command would replace exists.

    Call it unless a mark in the folder says that the command has written them. Nothing is refused
    where the command was stopped while it wrote (`unfinished`).

    Args:
        paths: the files.
        writer: the command, for the message.
    """
    for path in map(Path, paths):
        if os.path.lexists(path) and not _mark(path.parent, writer).exists():
            raise InputError(
                f"this file would be overwritten, and `relgen {writer}` has not written it",
                path=path,
                remedy=_OTHER_OUT,
            )


def refuse_unlike(path: str | Path, writer: str, read: Callable[[Path], object]) -> None:
    """Raise InputError if `--force` would replace a file that `read` does not take for an output.

    `read` raises InputError for what the command does not write.
    """
    path = Path(path)
    if path.is_file() and path.stat().st_size:
        try:
            read(path)
        except InputError:
            refuse_foreign([path], writer)


def check_export(out: str | Path, *, force: bool) -> None:
    """Raise InputError unless `out` is free, or an export that `force` allows to replace."""
    out = Path(out)
    if not out.exists():
        return
    if not (out / EXPORT_FILE).is_file():
        problem = "exists and is not an export of relgen"
        raise InputError(problem, path=out, remedy="choose another --out")
    if not force:
        remedy = "choose another --out, or give --force to replace it"
        raise InputError("an export exists here", path=out, remedy=remedy)


def earlier_summary(
    path: Path, writer: str, written: Iterable[str | Path], stopped: Path
) -> dict[str, Any]:
    """Return the summary that an earlier run of a command wrote; empty if there is none.

    Raises InputError if a file of others would be overwritten.

    Args:
        path: the summary.
        writer: the command, which its summaries name as `command`.
        written: the files that the command would replace.
        stopped: what only a run that was stopped leaves.
    """
    found = read_json(path) if path.is_file() else {}
    if isinstance(found, dict) and found.get("command") == writer:
        return found
    if not stopped.exists():
        refuse_foreign(written, writer)
    return {}


@contextmanager
def unfinished(folder: str | Path, writer: str) -> Iterator[None]:
    """Mark a folder while a command writes several files to it, so that it can be repeated."""
    mark = _mark(Path(folder), writer)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    yield
    mark.unlink()


def _mark(folder: Path, writer: str) -> Path:
    return folder / f".{writer.replace(' ', '-')}.unfinished"


def is_within(path: Path, folder: Path) -> bool:
    """Return whether a path is a folder, or below it, by any name of both."""
    return any(_same(folder, one) for one in (path, *path.resolve().parents))


def _same(path: Path, other: Path) -> bool:
    if path.resolve() == other.resolve():
        return True
    return path.exists() and other.exists() and path.samefile(other)
