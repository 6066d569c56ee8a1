"""Turns errors that are not relgen's own into one line: those of libraries, and unexpected ones."""

from __future__ import annotations

import errno
import platform
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from relgen import __version__
from relgen.common import library_messages as messages

_DISK_ERRORS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EACCES: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.ENOTDIR: "choose another path",
    errno.EEXIST: "choose another path",
    errno.EISDIR: "choose another path",
    errno.ENOENT: "check the path",
    errno.ELOOP: "check the path, whose links lead to each other,",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "check the disk and the path",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
}
_AGAIN = "and run the same command again"
_NO_MEMORY = (
    "out of memory; use a smaller model, shorter texts or smaller batches (data.batch_size, "
    f"data.token_budget, model.gradient_checkpointing), or free some {_AGAIN}"
)
_BEYOND_TABLE = (
    "a token or a position is beyond the model's tables; its tokenizer is of another model, or "
    "a text is longer than the model takes"
)
_EXTRAS = {
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "openai": ("openai",),
    "serve": ("fastapi", "prometheus_client", "pydantic", "uvicorn"),
    "spacy": ("spacy",),
}


def explained(error: Exception) -> str | None:
    """Return one line for an error whose cause is known; None for others."""
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        where = f"{error.filename}: ".replace("\n", "\\n") if error.filename else ""
        return f"{where}{error.strerror}; {_DISK_ERRORS[error.errno]} {_AGAIN}"
    for extra, packages in _EXTRAS.items():
        if isinstance(error, ModuleNotFoundError) and error.name in packages:
            return f"{error.name} is not installed; install it: pip install 'relgen-re[{extra}]'"
    text = " ".join(str(error).split())
    if isinstance(error, ImportError):
        return f"a package cannot be imported ({text}); install it, or relgen with its dependencies"
    if isinstance(error, MemoryError) or messages.OUT_OF_MEMORY.search(text):
        return _NO_MEMORY
    if messages.FULL_DISK.search(text):
        return f"no space left on the device; free some {_AGAIN}"
    if loop := messages.SYMLINK_LOOP.search(text):
        return f"{loop['path']}: its links lead to each other; choose another path"
    if isinstance(error, IndexError) and messages.BEYOND_TABLE.search(text):
        return _BEYOND_TABLE
    torch = sys.modules.get("torch")  # without it, no error is torch's
    if (torch and isinstance(error, torch.AcceleratorError)) or messages.NO_GPU.search(text):
        without = "--device cpu or --trainer.accelerator cpu runs without"
        return f"the GPU cannot be used ({_described(error)[:200]}); {without}"
    # a library's own error may hide that of the system
    return explained(error.__cause__) if isinstance(error.__cause__, Exception) else None


def unexpected(error: Exception, command: str) -> str:
    """Write the traceback to a file, and return one line that names both."""
    machine = f"relgen {__version__}, Python {platform.python_version()}, {sys.platform}"
    text = "".join(traceback.format_exception(error))
    said = f"{_described(error)[:300]}; this was not expected"
    options: dict[str, Any] = {"encoding": "utf-8", "errors": "replace", "delete": False}
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="relgen-error-", suffix=".txt", **options
        ) as stream:
            stream.write(f"{machine}\nrelgen {command}\n\n{text}")
    except OSError as failed:
        return f"{said}, and its details cannot be written ({failed.strerror})"
    return f"{said}: {Path(stream.name)} holds the details for a report"


def _described(error: Exception) -> str:
    """Return the error's type and message on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
