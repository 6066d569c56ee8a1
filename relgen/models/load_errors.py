"""Turns what transformers and PEFT raise for a model that cannot be loaded into one line."""

from __future__ import annotations

import contextlib
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from relgen.common import InputError

EMBEDDED_LANGUAGE_MODEL = "smollm2-135m-instruct"
EMBEDDED_ENCODER = "all-minilm-l6-v2"
_LFS_POINTER = b"version https://git-lfs"
_REFUSED = {
    "trust_remote_code": "this model needs code of its own, which relgen does not run",
    "does not recognize this architecture": "transformers {version} does not know the architecture",
    "Unrecognized configuration class": "transformers has no {kind} of this architecture",
}
"""By a part of transformers' message, the problem."""
_NO_MODEL = ("Unrecognized model", "Couldn't instantiate the backend tokenizer")
"""transformers' messages for a folder without a model, and for one without a tokenizer."""


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
    kind = re.search(r"AutoModel: (\w+)", message)
    for part, problem in _REFUSED.items():
        if part in message:
            return InputError(
                problem.format(version=__version__, kind=kind and kind[1]),
                field="model",
                value=name,
                remedy="use another model, or a server that runs it (--backend openai)",
            )
    absent = not Path(name).is_dir() or message.startswith(_NO_MODEL)
    if absent and isinstance(error, OSError | ValueError | KeyError):
        return InputError(
            "no such model: neither an embedded name, nor a model's folder, nor in the local Hub "
            "cache",
            field="model",
            value=name,
            remedy=f"use {EMBEDDED_LANGUAGE_MODEL} (language model) or {EMBEDDED_ENCODER} "
            f"(encoder), or download it first: hf download {name}",
        )
    return InputError(
        f"this model cannot be loaded: {type(error).__name__}: {message[:200]}",
        field="model",
        value=name,
        remedy="fetch it again, or use another model",
    )


def find_damage(folder: Path) -> InputError | None:
    """Return the error for the first damaged file of a model's or an adapter's folder."""
    file = damaged_file(folder)
    if file is None:
        return None
    pointer = file.stat().st_size < 1024 and file.read_bytes().startswith(_LFS_POINTER)
    return InputError(
        "this is a Git LFS pointer, not the file" if pointer else "this file is damaged",
        path=file,
        remedy="fetch it again: git lfs pull" if pointer else "fetch or write it again",
    )


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
        except (ValueError, OSError, SafetensorError):
            return file
    return None
