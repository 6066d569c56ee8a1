"""Numbers with bounds, as types of dataclass fields: jsonargparse checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    PositiveInt = int
    NonNegativeInt = int
    PositiveFloat = float
    NonNegativeFloat = float
    Share = float
    BelowOne = float
else:
    from jsonargparse.typing import (
        NonNegativeFloat,
        NonNegativeInt,
        PositiveFloat,
        PositiveInt,
        restricted_number_type,
    )

    Share = restricted_number_type("Share", float, [(">", 0), ("<=", 1)])
    BelowOne = restricted_number_type("BelowOne", float, [(">=", 0), ("<", 1)])

__all__ = [
    "BelowOne",
    "NonNegativeFloat",
    "NonNegativeInt",
    "PositiveFloat",
    "PositiveInt",
    "Share",
]
