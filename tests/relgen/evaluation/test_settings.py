"""Settings of Direct-RE: an automatic dtype is resolved, and ranges hold from Python too."""

from __future__ import annotations

import pytest

from relgen.common.device import resolved
from relgen.common.errors import InputError
from relgen.evaluation.settings import DirectSettings


def test_auto_becomes_the_dtype_that_is_used() -> None:
    """So that the answers' folder names the dtype they were computed in."""
    assert DirectSettings(dtype="auto").dtype == resolved("auto")
    assert DirectSettings(dtype="auto").dtype in ("float32", "bfloat16")


def test_ranges() -> None:
    with pytest.raises(InputError, match=r"shots.*at least 0 \(got -1\)"):
        DirectSettings(shots=-1)
    with pytest.raises(InputError, match="answer"):
        DirectSettings(answer="guess")  # type: ignore[arg-type]
