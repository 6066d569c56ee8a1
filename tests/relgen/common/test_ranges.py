"""Numbers with bounds: what each type takes and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from relgen.common import ranges

BOUNDS: dict[str, tuple[list[Any], list[Any]]] = {
    "PositiveInt": ([1], [0]),
    "NonNegativeInt": ([0], [-1]),
    "PositiveFloat": ([1e-9], [0, -1, "nan"]),
    "NonNegativeFloat": ([0], [-1e-9, "nan"]),
    "Share": ([1e-9, 1], [0, 1.001, "nan"]),
    "BelowOne": ([0, 0.999], [1, -0.001, "nan"]),
    "BelowHalf": ([0, 0.499], [0.5, -0.001, "nan"]),
    "ClosedUnitInterval": ([0, 1], [1.001, -0.001, "nan"]),
    "InputLength": ([16], [15]),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds(name: str) -> None:
    kind, (taken, refused) = getattr(ranges, name), BOUNDS[name]
    assert [kind(value) for value in taken] == taken
    for value in refused:
        with pytest.raises(ValueError, match="does not conform to restriction"):
            kind(value)


def test_every_type_is_described_in_words() -> None:
    assert {getattr(ranges, name) for name in BOUNDS} == set(ranges.DESCRIPTIONS)
