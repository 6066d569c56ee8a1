"""Samples whose sentences stay in their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.pools import Pool
from relgen.data.samples import Entity, Sample, write_samples
from relgen.data.validation import RecordChecks

ROW = '{"text": "Ann met Bøb", "head": {"start": 0, "end": 3}, "tail": {"start": 8, "end": 11}, '


def test_samples_are_read_again_from_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    lines = [ROW + '"relation": "a", "id": "x"}', "", "not JSON", ROW + '"relation": "b"}']
    path.write_text("\r\n".join(lines), encoding="utf-8-sig")
    pool = Pool.of_file(RecordChecks(path, skip_bad=True))
    first = Sample("x", "Ann met Bøb", Entity(0, 3), Entity(8, 11), "a")
    second = Sample("p-4", "Ann met Bøb", Entity(0, 3), Entity(8, 11), "b")
    assert list(pool) == [first, second]
    assert (pool[-1], pool[:1]) == (second, [first])
    assert (pool.ids, pool.relations, pool.groups) == (["x", "p-4"], ["a", "b"], [None, None])
    assert pool.texts[0] == pool.texts[1]
    part = pool.subset([1])
    assert (list(part), part.ids, part.relations) == ([second], ["p-4"], ["b"])
    with pytest.raises(IndexError):
        part[1]


def test_samples_of_parquet(tmp_path: Path) -> None:
    samples = [Sample("x", "Ann met Bob", Entity(0, 3), Entity(8, 11), "a", group="g")]
    write_samples(tmp_path / "p.parquet", samples)
    assert list(Pool.of_file(RecordChecks(tmp_path / "p.parquet"))) == samples


def test_samples_in_memory_are_kept() -> None:
    samples = [Sample("x", "Ann met Bob", Entity(0, 3), Entity(8, 11), "a", group="g")]
    pool = Pool.of(samples)
    assert pool[0] is samples[0]
    assert pool.groups == ["g"]
    assert Pool.of(pool) is pool


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Pool.of_file(RecordChecks(tmp_path / "p.jsonl"))
