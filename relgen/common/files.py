"""Atomic writes, JSON, UTF-8 text and content hashes."""

from __future__ import annotations

import filecmp
import functools
import hashlib
import io
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from relgen.common.errors import InputError
from relgen.common.json_text import decode_json, encode_json, json_pieces
from relgen.common.wording import suggestion

PIPE_SECONDS = 5.0
"""How long to wait for a process that writes to a pipe."""

_NO_TEXT = {
    b"PK\x03\x04": "a zip archive, as Excel and Word write them: unpack it, or save it as text",
    b"\xd0\xcf\x11\xe0": "an old file of Excel or Word: save it as text",
    b"\x1f\x8b": "compressed: gunzip it first",
    b"PAR1": "a Parquet file",
}
_WIDE = {
    "utf-32": rb"\xff\xfe\0\0|\0\0\xfe\xff",
    "utf-16": rb"\xff\xfe|\xfe\xff",
    "utf-32le": rb"[^\0]\0\0\0",
    "utf-32be": rb"\0\0",
    "utf-16le": rb"[^\0]\0",
    "utf-16be": rb"\0",
}
"""How files in other encodings begin, by the name that iconv has for them."""
_OFTEN = "often windows-1252, or windows-1251 for Cyrillic; ISO-8859-1 seldom"


@contextmanager
def atomic_writer(
    path: str | Path, *, binary: bool = False, replace: bool = True
) -> Iterator[IO[Any]]:
    """Open a file that replaces `path` once the block has ended without an error.

    What is written, text unless `binary`, goes to a temporary file in the same folder, is flushed
    to the disk and then renamed, so that a full disk or a kill leaves the old file, or none, but
    never a part of the new one. Without `replace`, an old file with other content is an error.
    """
    path = Path(path)
    refuse_folder(path)
    refuse_special(path)
    path = path.resolve()  # keep a link, which then points to the new file
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        text: Any = {} if binary else {"encoding": "utf-8", "newline": "\n"}
        with os.fdopen(handle, "wb" if binary else "w", **text) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if not replace and path.exists():
            if not filecmp.cmp(temporary, path, shallow=False):
                raise InputError(
                    "this file exists, and would be replaced by other content",
                    path=path,
                    remedy="give another --out, or --force to replace it",
                )
            os.unlink(temporary)
            return
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # of a full disk, or of a limit on the size of files
        raise


def refuse_folder(path: str | Path) -> None:
    """Raise InputError for a folder in the place of a file."""
    if Path(path).is_dir():
        raise InputError("this is a folder, not a file", path=path, remedy="name a file in it")


def refuse_special(path: str | Path) -> None:
    """Raise InputError for an output that is a device, a pipe or a socket."""
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError("this is a device, a pipe or a socket", path=path, remedy="name a file")


@contextmanager
def atomic_folder(path: str | Path, mark: str) -> Iterator[Path]:
    """Make a folder to fill that replaces `path` once the block has ended without an error.

    Until then it has another name in the same parent folder.

    Args:
        path: the folder.
        mark: name of a file that every such folder has.

    Raises:
        InputError: something else exists at `path`: no folder, or one without the mark.
    """
    path = Path(path)
    if (
        path.exists()
        and not (path / mark).is_file()
        and not (path.is_dir() and not any(path.iterdir()))
    ):
        raise InputError(
            f"this exists and is not a folder that relgen wrote ({mark} is missing)",
            path=path,
            remedy="move it, or choose another --out",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    before = temporary.with_name(f"{temporary.name}.before")
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        for inside in temporary.rglob("*"):
            # libraries write weights to files that only their owner may read
            inside.chmod((0o777 if inside.is_dir() else 0o666) & ~_umask())
        if path.exists():
            # a kill while it is being deleted must not leave it without its mark
            path.rename(before)
        temporary.rename(path)
    finally:
        if before.exists() and not path.exists():
            before.rename(path)
        for rest in (temporary, before):
            shutil.rmtree(rest, ignore_errors=True)


def no_such_file(path: Path) -> InputError:
    """Return the error for a file that is missing, with the nearest name in its folder."""
    return InputError(
        "no such file", path=path, remedy=suggestion(str(path), beside(path), "check the path")
    )


def beside(path: Path) -> list[str]:
    """Return the paths in the folder of a file that is missing, none where it cannot be read."""
    try:
        return sorted(str(path.with_name(name)) for name in os.listdir(path.parent))
    except OSError:
        return []


def write_text(path: str | Path, text: str, *, replace: bool = True) -> None:
    """Write `text` to `path` atomically. See `atomic_writer`."""
    with atomic_writer(path, replace=replace) as stream:
        stream.write(text)


def write_json(path: str | Path, value: Any, *, replace: bool = True) -> None:
    """Write `value` as indented JSON, atomically. See `atomic_writer`."""
    with atomic_writer(path, replace=replace) as stream:
        stream.writelines(json_pieces(value))  # the ids of a large split are many
        stream.write("\n")


def read_json(path: str | Path, *, keep: Collection[str] | None = None) -> Any:
    """Read a JSON file. Raises InputError when it is missing, not UTF-8 or not JSON.

    With `keep`, only these keys of objects are kept in memory.
    """
    try:
        return decode_json(read_text(path), keep=keep)
    except InputError as error:
        if error.path is not None:
            raise
        raise error.at(path=path, remedy="correct or replace the file") from error


def read_record(path: str | Path) -> dict[str, Any]:
    """Return what relgen noted in a JSON file; empty if there is none, or something else in it."""
    try:
        found = read_json(path) if Path(path).is_file() else {}
    except InputError:
        return {}
    return found if isinstance(found, dict) else {}


def write_jsonl(path: str | Path, rows: Iterable[dict[str, Any]], *, replace: bool = True) -> int:
    """Write one JSON object per line, atomically; return their number. See `atomic_writer`."""
    count = 0
    with atomic_writer(path, replace=replace) as stream:
        for row in rows:
            stream.write(encode_json(row) + "\n")
            count += 1
    return count


def read_text(path: str | Path) -> str:
    """Read a UTF-8 file, without a byte order mark. Raises InputError when it cannot be read."""
    return "".join(read_lines(path))


def read_lines(path: str | Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, line ends included; only `\\n` and `\\r\\n` end a line.

    Raises:
        InputError: the file is missing, a folder or a device, a pipe to which nobody writes, or a
            line is not UTF-8.
    """
    path = Path(path)
    refuse_folder(path)
    if not path.exists():
        raise no_such_file(path)
    if not path.is_fifo():
        refuse_special(path)
    with closing(_pipe_lines(path)) if path.is_fifo() else path.open("rb") as lines:
        begin = b""
        for number, raw in enumerate(lines, start=1):
            begin = begin or raw[:8]
            if number == 1 and b"\0" in begin[:4] and not begin.startswith(tuple(_NO_TEXT)):
                raise InputError("not UTF-8", path=path, line=1, remedy=_conversion(path, begin))
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"not UTF-8 at byte {error.start} of the line",
                    path=path,
                    line=number,
                    value=raw[max(0, error.start - 10) : error.start + 10],
                    remedy=_conversion(path, begin),
                ) from error
            yield line.removeprefix("\ufeff") if number == 1 else line


def _pipe_lines(path: Path) -> Generator[bytes, None, None]:
    """Yield the lines of a pipe; raise InputError if no process opens it for writing."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
        until = time.monotonic() + PIPE_SECONDS
        begin = b""
        with suppress(BlockingIOError):  # a process has opened it, and will write
            while not (begin := os.read(stream.fileno(), 1 << 16)):
                if time.monotonic() >= until:
                    problem = "no process writes to this pipe, which can be read only once"
                    raise InputError(problem, path=path, remedy="write it to a file first")
                time.sleep(0.02)
        os.set_blocking(stream.fileno(), True)
        yield from io.BytesIO(begin + stream.readline())
        yield from stream


def _conversion(path: Path, begin: bytes) -> str:
    """Return how to convert a file to UTF-8, by how it begins; only UTF-16 and 32 show for certain.

    In both, the first letter of most files has bytes that are zero, also without a mark.
    """
    for mark, what in _NO_TEXT.items():
        if begin.startswith(mark):
            return f"this is no text but {what}"
    found = next((name for name, shape in _WIDE.items() if re.match(shape, begin, re.DOTALL)), None)
    line = f"iconv -f {found or 'ENCODING'} -t utf-8 {path.name} > NEW"
    hints = [] if found else [_OFTEN]
    if path.suffix.lower() == ".csv":
        hints.append("in Excel, save as CSV UTF-8")
    return f"convert it: {line}" + (f" ({'; '.join(hints)})" if hints else "")


def is_whole_zip(path: str | Path) -> bool:
    """Return whether a zip file, such as a checkpoint, exists and matches its checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def content_hash(path: str | Path) -> str:
    """Return the SHA-256 (hex) of a file's content, or of all files below a folder, in order.

    Raises InputError if there is no such file.
    """
    path, digest = Path(path), hashlib.sha256()
    if not path.exists():
        raise no_such_file(path)
    if not (path.is_file() or path.is_dir()):
        problem = "this is a device, a pipe or a socket, and would be read more than once"
        raise InputError(problem, path=path, remedy="write it to a file first")
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        digest.update(f"{name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 16):
                digest.update(block)
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """Return `content_hash`; a file is read once while its size and time stay the same."""
    if path.is_dir():
        return content_hash(path)
    status = path.stat()
    return _hash_once(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _hash_once(path: Path, modified: int, size: int) -> str:
    return content_hash(path)


def text_hash(text: str) -> str:
    """Return the SHA-256 (hex) of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
