"""Ids that occur twice in a file, and files that are one JSON array."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from relgen.common.errors import CombinedInputError, InputError
from relgen.data.samples import read_samples
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

read_opennre = reader("opennre")


def test_an_id_among_many_that_stands_twice_names_the_first_place() -> None:
    checks = RecordChecks("s.jsonl")
    for number in range(1, 5_001):
        assert checks.passes(f"id-{number}", number)
    for number in (1, 1_000, 5_000):
        with pytest.raises(InputError, match=rf"the same id as line {number}"):
            checks.passes(f"id-{number}", 9_999)
    assert checks.passes("id-0", 10_000)


def test_an_id_that_stands_twice_in_a_file_without_lines() -> None:
    checks = RecordChecks("s.json")
    for name in ("P1[0]", "P1[1]"):
        assert checks.passes(f"id-{name}", name)
    with pytest.raises(InputError, match=r"the same id as record P1\[1\]"):
        checks.passes("id-P1[1]", "P2[0]")


@pytest.mark.parametrize("read", [read_samples, read_opennre])
def test_a_json_array_is_one_error(
    tmp_path: Path, read: Callable[[Path], Iterable[object]]
) -> None:
    path = tmp_path / "pretty.json"
    path.write_text('\n[\n  {\n    "id": "a"\n  }\n]\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"a JSON array.*jq -c") as refused:
        list(read(path))
    assert not isinstance(refused.value, CombinedInputError)


@pytest.mark.parametrize("read", [read_samples, read_opennre])
def test_objects_of_several_lines_are_one_error(
    tmp_path: Path, read: Callable[[Path], Iterable[object]]
) -> None:
    path = tmp_path / "pretty.jsonl"
    path.write_text('{\n  "id": "a"\n}\n{\n  "id": "b"\n}\n', encoding="utf-8")
    # the advice must not write to the file that it reads
    with pytest.raises(
        InputError, match=r"jq -c \. pretty\.jsonl > pretty\.lines\.jsonl"
    ) as refused:
        list(read(path))
    assert not isinstance(refused.value, CombinedInputError)
