"""Errors of libraries and of the system as one line, and unexpected ones with a file."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest
import torch

from relgen.cli.library_errors import explained, unexpected


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "x.ckpt"),
            "x.ckpt: No space left on device; free some space and run the same command again",
        ),
        (
            RuntimeError("PytorchStreamWriter failed writing file data/3"),
            "no space left on the device; free some and run the same command again",
        ),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            "a package cannot be imported (No module named 'torch'); install it, or relgen with "
            "its dependencies",
        ),
        (
            ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn"),
            "uvicorn is not installed; install it: pip install 'relgen-re[serve]'",
        ),
        (ValueError("out of range"), None),
        (
            torch.AcceleratorError("an illegal memory access"),
            "the GPU cannot be used (AcceleratorError: an illegal memory access); --device cpu or "
            "--trainer.accelerator cpu runs without",
        ),
        (
            OSError(errno.EIO, "Input/output error", "x"),
            "x: Input/output error; check the disk and the path and run the same command again",
        ),
        (
            OSError(errno.EFBIG, "File too large", "x"),
            "x: File too large; raise the limit on the size of files (ulimit -f) and run the same "
            "command again",
        ),
        (OSError(errno.EBADF, "Bad file descriptor"), None),
    ],
)
def test_known_causes(error: Exception, line: str | None) -> None:
    assert explained(error) == line


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    ],
)
def test_memory_names_what_to_make_smaller(error: Exception) -> None:
    assert (explained(error) or "").startswith("out of memory; use a smaller model")


def test_an_unexpected_error_is_written_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        line = unexpected(error, "run x.yaml")
    assert line.startswith("ValueError: two lines; this was not expected: ")
    (file,) = tmp_path.iterdir()
    assert re.search(re.escape(str(file)), line)
    text = file.read_text(encoding="utf-8")
    assert "relgen run x.yaml" in text
    assert 'raise ValueError("two\\nlines")' in text


def test_a_cause_counts_and_a_full_disk_holds_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    wrapped = ValueError("while the data was prepared")
    wrapped.__cause__ = full
    again = "No space left on device; free some space and run the same command again"
    assert explained(wrapped) == again

    def refuse(*_: object, **__: object) -> None:
        raise full

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    assert unexpected(ValueError("odd"), "run x.yaml") == (
        "ValueError: odd; this was not expected, and its details cannot be written "
        "(No space left on device)"
    )
