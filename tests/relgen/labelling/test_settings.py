"""Settings of labelling: an automatic dtype is resolved, and ranges hold from Python too."""

from __future__ import annotations

import pytest

from relgen.common.device import resolved
from relgen.common.errors import InputError
from relgen.labelling.settings import LabelSettings

pytestmark = pytest.mark.compute


def test_auto_becomes_the_dtype_that_is_used() -> None:
    assert LabelSettings(dtype="auto").dtype == resolved("auto")


@pytest.mark.parametrize(("name", "value"), [("penalty", 0.0), ("least_certainty", 1.0)])
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"{name}.*\(got {value}\)"):
        LabelSettings(**{name: value})
