"""The readers under test, called with their options as keywords."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora import ReadOptions, read_corpus
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks


def reader(name: str) -> Callable[..., Iterator[Sample]]:
    """Return the reader of a format."""

    def read(
        path: Path,
        *,
        skip_bad: bool = False,
        checks: RecordChecks | None = None,
        **options: Any,
    ) -> Iterator[Sample]:
        checks = checks or RecordChecks(path, skip_bad=skip_bad)
        return read_corpus(name, checks, ReadOptions(**options))

    return read


def refused_at_the_end(found: Iterator[Sample], message: str) -> list[Sample]:
    """Return the samples of a file that is refused once it is read."""
    samples = list[Sample]()
    with pytest.raises(InputError, match=message):
        deque(map(samples.append, found), maxlen=0)
    return samples
