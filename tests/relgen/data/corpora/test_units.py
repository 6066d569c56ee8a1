"""Offsets in bytes, in UTF-16 units, shifted by line breaks, and inclusive ones."""

from __future__ import annotations

from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora.units import (
    DoubtfulOffsets,
    entity_at,
    in_characters,
    in_unit,
    in_utf16,
    row_in_characters,
)
from relgen.data.samples import Entity, Sample

TEXT = "é😀\r\nAnn\nBo"


@pytest.mark.parametrize(
    ("unit", "start", "end", "expected"),
    [
        ("characters", 4, 7, (4, 7)),
        ("bytes", 8, 11, (4, 7)),
        ("utf16", 5, 8, (4, 7)),
        ("newline", 3, 6, (4, 7)),
        ("crlf", 9, 11, (8, 10)),
        ("bytes", 1, 8, None),  # inside a character
        ("utf16", 5, 50, None),
    ],
)
def test_units(unit: Any, start: int, end: int, expected: tuple[int, int] | None) -> None:
    assert in_characters(TEXT, unit, start, end) == expected


def test_places_in_utf16_lead_back() -> None:
    found = in_utf16(TEXT, Entity(4, 7))
    assert found == (5, 8)
    assert in_characters(TEXT, "utf16", *found) == (4, 7)


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        (4, 7, None),
        (8, 11, "bytes (UTF-8)"),
        (5, 8, "UTF-16 units"),
        (3, 6, "a Windows line break as one character"),
        (4, 6, "inclusive ends"),
    ],
)
def test_the_mention_shows_the_unit(start: int, end: int, name: str | None) -> None:
    assert entity_at(TEXT, start, end, "Ann", field="head") == (Entity(4, 7), name)


def test_a_mention_may_differ_in_white_space_and_case() -> None:
    assert entity_at("a  b c", 0, 4, "A b", field="head") == (Entity(0, 4), None)


def test_case_shows_no_other_unit_where_one_has_the_mention() -> None:
    assert entity_at("😀 anna", 3, 6, "Ann", field="head") == (Entity(2, 5), "UTF-16 units")
    assert entity_at("ann annAnn", 4, 7, "Ann", field="head") == (Entity(4, 7), None)


def test_a_mention_that_is_elsewhere_is_refused_with_the_guess() -> None:
    with pytest.raises(InputError) as caught:
        entity_at("Ann saw Bo and Bo", 0, 3, "Bo", field="tail")
    assert str(caught.value) == (
        "field 'tail': the characters at its offsets are 'Ann' (got 'Bo'); it is in the text at "
        "[8, 10], [15, 17]"
    )


def test_a_sample_in_another_unit() -> None:
    sample = Sample("a", "😀 Ann and B.", Entity(3, 6), Entity(11, 12), "r")
    other = in_unit(sample, "utf16")
    assert other is not None
    assert (other.head_text, other.tail_text) == ("Ann", "B")
    assert in_unit(sample, "bytes") is None


def test_a_line_in_another_unit() -> None:
    row = {"text": "😀 Ann", "head": {"start": 3, "end": 6, "type": "X"}, "tail": None}
    assert row_in_characters(row, "utf16")["head"] == {"start": 2, "end": 5, "type": "X"}
    assert row_in_characters(row, "characters") is row
    row["head"] = {"start": 1, "end": 6}
    with pytest.raises(InputError, match=r"no place of the text in UTF-16 units \(got \[1, 6\]"):
        row_in_characters(row, "utf16")


RIGHT = Sample("a", "é: Ann met Bo.", Entity(3, 6), Entity(11, 13), "r")
CUT = Sample("b", "é: Ann met Bo.", Entity(4, 7), Entity(12, 14), "r")  # bytes
PLAIN = Sample("c", "Ann met Bo.", Entity(0, 3), Entity(8, 10), "r")


@pytest.mark.parametrize(
    ("samples", "confirmed", "refused"),
    [
        ([CUT, PLAIN], False, True),
        ([CUT] * 2 + [PLAIN] * 200, False, True),
        ([CUT], True, False),
        # one of many may be cut on purpose
        ([CUT] + [PLAIN] * 200, False, False),
        # bytes would spoil what is right
        ([CUT] * 2 + [RIGHT] * 2 + [PLAIN] * 50, False, False),
        ([RIGHT, PLAIN], False, False),
    ],
)
def test_a_unit_is_refused_where_it_is_certain(
    samples: list[Sample], confirmed: bool, refused: bool
) -> None:
    doubtful = DoubtfulOffsets()
    for sample in samples:
        doubtful.look_at(sample, confirmed=confirmed)
    assert doubtful.count == samples.count(CUT)
    if not refused:
        doubtful.refuse("a.csv")
        return
    with pytest.raises(InputError, match=r"a\.csv: . samples? ha.*give --offsets bytes, or"):
        doubtful.refuse("a.csv")
