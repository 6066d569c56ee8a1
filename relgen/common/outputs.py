"""Decides where a command may write: never over an input or a file that relgen did not write."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from relgen.common.errors import InputError
from relgen.common.files import (
    content_hash,
    read_record,
    refuse_folder,
    refuse_special,
    write_json,
)
from relgen.common.row_stream import stream_files

EXPORT_FILE = "relgen_export.json"
"""Every folder that `relgen export` writes has this file, with the origin of the export."""
_OTHER_OUT = "give another --out"
_FILES = "files"


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


def refuse_foreign(
    paths: Iterable[str | Path], writer: str, own: Mapping[str, Any] | None = None
) -> None:
    """Raise InputError if one of the files that a command would replace exists and is not its own.

    Its own are those that it was writing when it was stopped (`unfinished`), and those that have
    the content which a record of the command notes.

    Args:
        paths: the files.
        writer: the command, for the message.
        own: names of files in a record of the command, and hashes of their content.
    """
    for path in map(Path, paths):
        if not os.path.lexists(path) or path.name in _begun(path.parent, writer):
            continue
        noted = (own or {}).get(path.name)
        if not path.exists() or noted is None or noted != content_hash(path):
            why = f"`relgen {writer}` has not written it" + (", as it is now" if noted else "")
            problem = f"this file would be overwritten, and {why}"
            raise InputError(problem, path=path, remedy=_OTHER_OUT)


def refuse_unrecorded(paths: Sequence[str | Path], writer: str) -> dict[str, str | None]:
    """Return the hashes of the files that `recorded` noted; None for those of a stopped run.

    Raises InputError for a file that is not empty, and not noted with its content.
    """
    for path in map(Path, paths):
        refuse_folder(path)
    record, own = _record(paths[0]), _recorded(paths[0], writer)
    if "command" not in read_record(record):
        refuse_foreign([record], writer)
    full = [path for path in map(Path, paths) if not path.is_file() or path.stat().st_size]
    refuse_foreign([path for path in full if own.get(path.name, "") is not None], writer, own)
    return own


@contextmanager
def recorded(paths: Sequence[str | Path], writer: str) -> Iterator[None]:
    """Record beside files that a command writes them, so that it may replace them later.

    Raises InputError as `refuse_unrecorded` does. The record stays as it was where the block ends
    with an error before it writes; later, and after a kill, the command may be repeated.

    Args:
        paths: the files, in one folder; the record is named by the first one.
        writer: the command.
    """
    record, before = _record(paths[0]), refuse_unrecorded(paths, writer)
    files, made = [Path(path) for path in paths], not record.parent.exists()
    found = list(map(_version, files))
    begun = before | dict.fromkeys(path.name for path in files)
    write_json(record, {"command": writer, _FILES: begun})
    try:
        yield
    except BaseException:
        if list(map(_version, files)) != found:
            pass
        elif before:
            write_json(record, {"command": writer, _FILES: before})
        else:
            record.unlink()
        if made:
            with suppress(OSError):
                record.parent.rmdir()
        raise
    written = _hashes(files)
    gone = {path.name for path in files} - written.keys()
    left = {name: known for name, known in before.items() if name not in gone}
    write_json(record, {"command": writer, _FILES: left | written})


def _record(path: str | Path) -> Path:
    return Path(path).with_name(f".{Path(path).name}.written")


def _version(path: Path) -> tuple[int, int] | None:
    return (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None


def _hashes(files: Iterable[Path]) -> dict[str, str]:
    return {path.name: content_hash(path) for path in files if path.is_file()}


def _recorded(path: str | Path, writer: str) -> dict[str, str | None]:
    found = read_record(_record(path))
    files = found.get(_FILES) if found.get("command") == writer else None
    return files if isinstance(files, dict) else {}


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
    path: Path,
    writer: str,
    written: Sequence[Path],
    header: str,
    *,
    force: bool,
    stream: Path | None = None,
) -> dict[str, Any]:
    """Return the summary of an earlier run of the same settings and inputs; empty if to be done.

    Raises InputError if a file of others would be overwritten, or the summary is that of another
    output beside this one; without `force` also for the command's own output of other settings or
    inputs.

    Args:
        path: the summary, which `write_summary` writes.
        writer: the command.
        written: the files that it would replace, the main one first.
        header: a hash of the settings and inputs.
        stream: the one that `stream_rows` writes.
    """
    found = read_record(path)
    if found.get("command") != writer or not isinstance(found.get(_FILES), dict):
        found = {_FILES: {}}
    own, main = found[_FILES], written[0]
    if main.name in own and found.get("hash") == header and main.is_file():
        return found
    state = {} if stream is None else stream_state(stream, writer)
    sure = [path] if "hash" in found else []
    if stream is not None and state.get("whole"):
        sure.append(stream)
    # the summary of a folder's only output stays in the way of others
    place = "--out" if path.stem == main.stem else "folder for --out"
    other = next(iter(own), main.name)
    if other != main.name and path.with_name(other).is_file():
        problem = f"this file belongs to {other}, which `relgen {writer}` wrote earlier"
        raise InputError(problem, path=path, remedy=f"give another {place}")
    refuse_foreign([each for each in (*written, path) if each not in sure], writer, own)
    if "hash" in found and not force:
        raise InputError(
            "the output of other settings or inputs is here",
            path=path,
            remedy=f"give another {place}, or --force to replace it",
        )
    return {}


def stream_state(out: Path, writer: str) -> dict[str, Any]:
    """Return what `stream_rows` noted of a run that was stopped.

    Raises InputError for files of others with the names of `stream_files`.
    """
    if "header" not in (state := read_record(stream_files(out)[1])):
        refuse_foreign(stream_files(out), writer)
    return state


def write_summary(path: Path, summary: dict[str, Any], written: Iterable[Path]) -> dict[str, Any]:
    """Write a summary that names the files of a command, with their hashes; return it."""
    write_json(path, summary := summary | {_FILES: _hashes(written)})
    return summary


@contextmanager
def unfinished(folder: str | Path, writer: str, names: Sequence[str]) -> Iterator[None]:
    """Mark a folder while a command writes files of these names, so that it can be repeated.

    The mark is named by the first of them, since the command may write others there meanwhile.
    """
    mark = Path(folder) / f"{_prefix(writer)}{names[0]}.unfinished"
    write_json(mark, {_FILES: names})
    yield
    mark.unlink()


def _prefix(writer: str) -> str:
    return f".{writer.replace(' ', '-')}."


def _begun(folder: Path, writer: str) -> set[str]:
    """Return the names of the files that a command was writing to a folder when it was stopped."""
    found = [
        read_record(mark).get(_FILES) for mark in folder.glob(f"{_prefix(writer)}*.unfinished")
    ]
    return {str(name) for names in found if isinstance(names, list) for name in names}


def is_within(path: Path, folder: Path) -> bool:
    """Return whether a path is a folder, or below it, by any name of both."""
    return any(_same(folder, one) for one in (path, *path.resolve().parents))


def _same(path: Path, other: Path) -> bool:
    if path.resolve() == other.resolve():
        return True
    return path.exists() and other.exists() and path.samefile(other)
