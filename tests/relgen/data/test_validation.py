"""The ids of a file's records: what stands twice is found, and little memory is taken."""

from __future__ import annotations

import tracemalloc

import pytest

from relgen.common.errors import InputError
from relgen.data.validation import RecordChecks


def test_an_id_among_many_that_stands_twice_names_the_first_place() -> None:
    checks = RecordChecks("s.jsonl")
    for number in range(1, 5_001):
        assert checks.passes(f"id-{number}", number)
    for number in (1, 1_000, 5_000):
        with pytest.raises(InputError, match=rf"the id of line {number} again"):
            checks.passes(f"id-{number}", 9_999)
    assert checks.passes("id-0", 10_000)


def test_an_id_that_stands_twice_in_a_file_without_lines() -> None:
    checks = RecordChecks("s.json")
    for name in ("P1[0]", "P1[1]"):
        assert checks.passes(f"id-{name}", name)
    with pytest.raises(InputError, match=r"the id of record P1\[1\] again"):
        checks.passes("id-P1[1]", "P2[0]")


def test_ids_take_a_few_bytes_each() -> None:
    checks = RecordChecks("s.jsonl")
    number = 20_000
    tracemalloc.start()
    try:
        for line in range(1, number + 1):
            checks.passes(f"a-long-id-of-a-sample-of-a-corpus-{line}", line)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 64 * number  # the ids alone would take 90 bytes each
