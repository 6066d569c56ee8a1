"""relgen's own samples files, and any JSON lines with the same keys (see `relgen.data.samples`).

Converting such a file checks it, and gives an id to each line that has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from relgen.data.corpora.reading import ReadOptions
from relgen.data.samples import Sample, checked_samples
from relgen.data.validation import RecordChecks


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a JSONL file."""
    return checked_samples(path, checks)
