"""Types of fields and arguments: numbers with bounds, which jsonargparse checks, and input files.

`InputFile` is a string at run time; Python code may give a `Path`, which marks a file of a stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    PositiveInt = int
    NonNegativeInt = int
    PositiveFloat = float
    NonNegativeFloat = float
    Share = float
    BelowOne = float
    BelowHalf = float
    ClosedUnitInterval = float
    InputLength = int
    InputFile = str | Path
else:
    from jsonargparse.typing import (
        ClosedUnitInterval,
        NonNegativeFloat,
        NonNegativeInt,
        PositiveFloat,
        PositiveInt,
        restricted_number_type,
    )

    Share = restricted_number_type("Share", float, [(">", 0), ("<=", 1)])
    BelowOne = restricted_number_type("BelowOne", float, [(">=", 0), ("<", 1)])
    BelowHalf = restricted_number_type("BelowHalf", float, [(">=", 0), ("<", 0.5)])
    InputLength = restricted_number_type("InputLength", int, (">=", 16))
    InputFile = str

DESCRIPTIONS: dict[Any, str] = {
    PositiveInt: "a whole number above 0",
    NonNegativeInt: "a whole number of at least 0",
    PositiveFloat: "a number above 0",
    NonNegativeFloat: "a number of at least 0",
    Share: "a number above 0 and of at most 1",
    BelowOne: "a number of at least 0 and below 1",
    BelowHalf: "a number of at least 0 and below 0.5",
    ClosedUnitInterval: "a number from 0 to 1",
    # room for two entities
    InputLength: "a whole number of at least 16",
}
