"""Keys: read from the environment, and found again in what a server says."""

from __future__ import annotations

import pytest

from relgen.common.errors import InputError
from relgen.generation.backends.api_key import read_key, repeats_key

pytestmark = pytest.mark.compute

KEY = "sk-a+b/c-0123456789"


@pytest.mark.parametrize("around", ["{}", "{}\n", " {}\r\n", "\t{} "])
def test_a_key_is_read_without_white_space(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", around.format(KEY))
    assert read_key("MY_KEY") == KEY


@pytest.mark.parametrize("value", ["", " \n"])
def test_no_key(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", value)
    assert read_key("MY_KEY") is None
    monkeypatch.delenv("MY_KEY")
    assert read_key("MY_KEY") is None


@pytest.mark.parametrize("value", ["sk-schlüssel-0123", "sk-two\nlines-0123", "Bearer sk-0123"])
def test_a_key_that_no_header_holds_is_refused_unseen(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(InputError, match="field 'MY_KEY': the key in this environment") as caught:
        read_key("MY_KEY")
    assert "sk" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        KEY,
        f"Illegal header value b'Bearer {KEY}\\n'",
        "sk-a%2Bb%2Fc-0123456789",
        "sk-a%2bb%2fc-0123456789",
        "sk-a%252Bb%252Fc-0123456789",
        r"sk-a\u002bb\/c-0123456789",
        r"sk-a\x2bb/c-0123456789",
        "sk-a+b/c-01234\n56789",
        repr(KEY.encode()),
    ],
)
def test_a_repeated_key_is_found_in_any_form(said: str) -> None:
    assert repeats_key(f"before {said} after", KEY)


def test_a_part_is_enough_where_asked_for() -> None:
    assert repeats_key("Incorrect API key provided: ***456789", KEY, part=6)
    assert not repeats_key("Incorrect API key provided: ***456789", KEY)
    assert not repeats_key("The model does not exist", KEY, part=6)
    assert not repeats_key("EMPTY", "EMPTY")  # stands for no key
    assert not repeats_key(KEY, None)
