"""Turns what transformers and PEFT raise for a model that cannot be loaded into one line."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from relgen.common import InputError
from relgen.common import library_messages as messages
from relgen.models.names import absent

_LFS_POINTER = b"version https://git-lfs"
_REFUSED = {
    messages.OWN_CODE: "this model needs code of its own, which relgen does not run",
    messages.UNKNOWN_ARCHITECTURE: "transformers {version} does not know the architecture",
    messages.OTHER_SIZES: "its weights have other sizes than its config.json says",
    messages.OTHER_KIND: "transformers has no {kind} of this architecture",
}


@contextlib.contextmanager
def loading(name: str | Path) -> Iterator[None]:
    """Raise InputError for a model, tokenizer or adapter that cannot be loaded in the block.

    Args:
        name: embedded name, local folder or Hub id.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise _explained(str(name), error) from error


def _explained(name: str, error: Exception) -> InputError:
    from transformers import __version__

    if damage := find_damage(Path(name)):
        return damage
    message = " ".join(str(error).split())
    for pattern, problem in _REFUSED.items():
        if found := pattern.search(message):
            return InputError(
                problem.format(version=__version__, **found.groupdict()),
                field="model",
                value=name,
                remedy="use another model; to generate, a server may run it (--backend openai)",
            )
    known = isinstance(error, OSError | ValueError | KeyError)
    if known and (not Path(name).is_dir() or messages.NO_MODEL.search(message)):
        return absent(name)
    return InputError(
        f"this model cannot be loaded: {type(error).__name__}: {message[:200]}",
        field="model",
        value=name,
        remedy="fetch it again, or use another model",
    )


def find_damage(folder: Path) -> InputError | None:
    """Return the error for the first damaged file of a model's or an adapter's folder."""
    if file := damaged_file(folder):
        return damage(file, "this file is damaged", "fetch or write it again")
    return None


def damage(file: Path, problem: str, remedy: str) -> InputError:
    """Return the error for a file that is not what its name says, or is a Git LFS pointer."""
    if file.stat().st_size < 1024 and file.read_bytes().startswith(_LFS_POINTER):
        problem, remedy = "this is a Git LFS pointer, not the file", "fetch it again: git lfs pull"
    return InputError(problem, path=file, remedy=remedy)


def damaged_file(folder: Path) -> Path | None:
    """Return the first file of a model's folder that cannot be read as what its name says."""
    for file in sorted(folder.glob("*")) if folder.is_dir() else []:
        try:
            if file.suffix == ".json":
                json.loads(file.read_text(encoding="utf-8"))
            elif file.suffix == ".safetensors":
                with safe_open(file, "pt"):
                    pass
            elif file.suffix == ".bin" and not zipfile.is_zipfile(file):
                return file
        except (ValueError, OSError, RecursionError, SafetensorError):
            return file
    return None
