"""Ids that occur twice in a file, and files that are one JSON array."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from relgen.common.errors import CombinedInputError, InputError
from relgen.data.samples import read_samples
from relgen.data.validation import RecordChecks, json_lines
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


ARRAY = '\n[\n  {\n    "id": "a"\n  }\n]\n'
OBJECTS = '{\n  "id": "a"\n}\n{\n  "id": "b"\n}\n'


@pytest.mark.parametrize("read", [read_samples, read_opennre])
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pretty.json", ARRAY, r"a JSON array.*--format json --out \S*/pretty\.jsonl"),
        ("s.json", OBJECTS, r"objects of several lines.*jq -c \. s\.json > s\.jsonl"),
        # the advice must not write to the file that it reads
        ("pretty.jsonl", OBJECTS, r"jq -c \. pretty\.jsonl > pretty\.lines\.jsonl"),
    ],
)
def test_json_over_several_lines_is_one_error(
    tmp_path: Path, read: Callable[[Path], Iterable[object]], name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    if text == ARRAY and read is read_opennre:
        message = r"record \[1\]: field 'token': a line needs `token` or `text`"
    with pytest.raises(InputError, match=message) as refused:
        list(read(path))
    assert not isinstance(refused.value, CombinedInputError)


def test_a_pipe_is_read_whole(tmp_path: Path) -> None:
    pipe, lines = tmp_path / "pipe", [f'{{"number": {number}}}\n' for number in range(20_000)]
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipe.write_text, "".join(lines))
        assert list(json_lines(pipe)) == list(enumerate(lines, start=1))
