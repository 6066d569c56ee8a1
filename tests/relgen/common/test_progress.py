"""The bar of a loop."""

from __future__ import annotations

import pytest

from relgen.common.progress import tracked


@pytest.mark.parametrize("shown", [True, False])
def test_items_come_through_and_the_bar_is_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shown: bool
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert list(tracked(iter("abc"), "Reading", 3, shown=shown)) == ["a", "b", "c"]
    said = capsys.readouterr()
    assert said.out == ""
    assert ("Reading" in said.err) == shown
