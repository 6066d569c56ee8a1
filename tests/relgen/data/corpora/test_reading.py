"""What several readers of JSON share: records, and offsets in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora.reading import json_records, offsets


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{"a": 1}\n\n{"a": 1}\n', [1, 3]),
        ('[\n {"a": 1}, {"a": 1}]', ["[1]", "[2]"]),
        ('{\n "a": 1\n}\n', ["[1]"]),
    ],
)
def test_records_of_lines_an_array_or_one_object(
    tmp_path: Path, text: str, places: list[int | str]
) -> None:
    path = tmp_path / "export.json"
    path.write_text(text)
    assert json_records(path) == [(place, {"a": 1}) for place in places]


def test_two_whole_numbers() -> None:
    assert offsets([3, 7], "head") == (3, 7)


@pytest.mark.parametrize("value", [None, "3-7", [3], [3, 7, 9], [3.0, 7], [True, 7], {"start": 3}])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"field 'head': must be \[start, end\]"):
        offsets(value, "head")
