"""Options whose types say how their files and names are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from relgen.common.errors import InputError
from relgen.common.input_checks import check_inputs


def refuse_x(value: str, options: Any) -> None:
    if value == "x" and options.strict:
        raise InputError("is x")


Name = Annotated[str, refuse_x]


@dataclass
class Named:
    strict: bool = True
    plain: str = "x"
    one: Name = ""
    other: Name | None = None
    several: list[Name] | None = None


def test_values_are_checked_wherever_a_type_says_so() -> None:
    for options in (Named(), Named(several=["a", "b"]), Named(strict=False, one="x")):
        check_inputs(options)
    for options in (Named(one="x"), Named(other="x"), Named(several=["a", "x"])):
        with pytest.raises(InputError, match="is x"):
            check_inputs(options)
