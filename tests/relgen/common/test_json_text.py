"""JSON from outside: refused in one line, or read as what was written."""

from __future__ import annotations

import io
import json
import sys

import pytest

from relgen.common.errors import InputError
from relgen.common.json_text import decode_json, encode_json, print_json


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{nothing", "not valid JSON at column 2: Expecting property name"),
        ("{\n]", "not valid JSON: Expecting property name"),
        ("[" * 100_000, "JSON that is nested too deep"),
        ('{"a":' * 100_000, "JSON that is nested too deep"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is given twice"),
        ('[{"x": {"a": 1, "a": 1}}]', "the key 'a' is given twice"),
        ("9" * 5_000, "a whole number of more than 4,300 digits"),
        (b"\xff\xfe1", "not UTF-8 at byte 0"),
    ],
)
def test_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        decode_json(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('"99999999999999999999999999"', "9" * 26),
        ("0.12345678901234567890123", 0.12345678901234568),
        (b'"\xc3\xa9"', "é"),
    ],
)
def test_read(text: str | bytes, value: object) -> None:
    assert decode_json(text) == value


def test_only_some_keys() -> None:
    assert decode_json('[{"a": 1, "b": {"a": 2, "c": 3}}]', keep={"b", "c"}) == [{"b": {"c": 3}}]


@pytest.mark.parametrize(
    "text", ["\ud800", "\x1b[31m", "\x9b", "\u2028", "\u202e", "\u200b", "\ufeff", "\x7f", "\x85"]
)
def test_what_no_terminal_may_see_is_escaped(text: str) -> None:
    written = encode_json({text: [text]})
    assert written.isascii()
    assert not set(written) & set(map(chr, range(32)))
    assert json.loads(written) == {text: [text]}


def test_letters_of_all_scripts_stay() -> None:
    assert encode_json("Müller 雨 می‌خواهم") == '"Müller 雨 می‌خواهم"'


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("utf-8", '{"é": "夫😀"}'.encode()),
        ("cp1252", b'{"\\u00e9": "\\u592b\\ud83d\\ude00"}'),
        ("ascii", b'{"\\u00e9": "\\u592b\\ud83d\\ude00"}'),
    ],
)
def test_printed_json_is_the_same_value_in_every_terminal(
    encoding: str, printed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    monkeypatch.setattr(sys, "stdout", out)
    print_json('{"é": "夫😀"}')
    assert out.buffer.getvalue() == printed  # type: ignore[attr-defined]
    assert json.loads(printed.decode(encoding)) == {"é": "夫😀"}
