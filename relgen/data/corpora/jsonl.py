"""relgen's own samples files, and any JSON lines with the same keys.

See `relgen.data.samples` for the keys. Converting such a file checks it and gives an id to each
line that has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from relgen.data.samples import Sample, iter_samples
from relgen.data.validation import ReadStatistics


def read(
    path: str | Path,
    *,
    split_name: str | None = None,
    skip_bad: bool = False,
    statistics: ReadStatistics | None = None,
) -> Iterator[Sample]:
    """Yields the samples of a JSONL file; `split_name` is not used, since the ids are the file's.

    Raises:
        InputError: names file, line, field, value and remedy.
    """
    return iter_samples(path, skip_bad=skip_bad, statistics=statistics)
