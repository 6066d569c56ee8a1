"""Offsets in a record: two whole numbers, or an error that shows the value."""

from __future__ import annotations

from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora.reading import offsets


def test_two_whole_numbers() -> None:
    assert offsets([3, 7], "head") == (3, 7)


@pytest.mark.parametrize("value", [None, "3-7", [3], [3, 7, 9], [3.0, 7], [True, 7], {"start": 3}])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"field 'head': must be \[start, end\]"):
        offsets(value, "head")
