"""The bar of a loop."""

from __future__ import annotations

import pytest

from relgen.common.progress import LISTENER, report, tracked


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


def test_somebody_who_listens_hears_what_is_done_and_sees_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    heard = []
    report(1, 3, "sentences")
    before = LISTENER.set(lambda *parts: heard.append(parts))
    report(2, 3, "sentences")
    assert list(tracked("abc", "Reading")) == ["a", "b", "c"]
    LISTENER.reset(before)
    report(3, 3, "sentences")
    assert heard == [(2, 3, "sentences")]
    assert capsys.readouterr().err == ""
