"""Corpora: one module a format, each with a `read` that yields samples.

A reader takes `(path, *, split_name, skip_bad, statistics)`, and options of its own with defaults.
It raises InputError with file, line (or record), field, value and remedy. Modules are imported when
their format is asked for.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol, get_args

from relgen.common import InputError
from relgen.data.samples import Sample
from relgen.data.validation import ReadStatistics

Format = Literal["semeval", "tacred", "opennre", "fewrel", "tagged", "jsonl", "hub"]
FORMATS = get_args(Format)


class Reader(Protocol):
    """What `load_reader` returns."""

    def __call__(
        self,
        path: str | Path,
        *,
        split_name: str | None = None,
        skip_bad: bool = False,
        statistics: ReadStatistics | None = None,
    ) -> Iterator[Sample]:
        """Yields the samples of `path`.

        Args:
            path: a file in the reader's format.
            split_name: goes into the ids (`semeval-train-1`).
            skip_bad: leave malformed records out and count them, in place of raising.
            statistics: receives the counts.
        """


def load_reader(name: str) -> Reader:
    """The `read` function of a format.

    Raises:
        InputError: no such format.
    """
    if name not in FORMATS:
        raise InputError("no such format", field="format", value=name, remedy=_one_of(FORMATS))
    reader: Reader = importlib.import_module(f"relgen.data.corpora.{name}").read
    return reader


def find_corpus(path: str | Path) -> Path:
    """`path` itself, or what lies at that path below `$RELGEN_DATA` when it does not exist."""
    path = Path(path)
    root = os.environ.get("RELGEN_DATA")
    if root and not path.exists() and (Path(root) / path).exists():
        return Path(root) / path
    return path


def _one_of(names: tuple[str, ...]) -> str:
    return f"one of {', '.join(names)}"
