"""Mean and standard deviation of scores of which some may be missing."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are known; None when none is."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def deviation(values: Sequence[float | None]) -> float | None:
    """Return the sample standard deviation (n - 1) of the known values; None for fewer than two."""
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 else None
