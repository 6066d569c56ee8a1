"""Shards divide the relations."""

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.generation.files.shards import RelationShard


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "-1/2", "a/b"])
def test_a_shard_is_i_of_n(text: str) -> None:
    with pytest.raises(InputError, match="i from 1 to n"):
        RelationShard.parse(text)


def test_parts_divide_the_relations() -> None:
    items = list("abcdefg")
    assert [RelationShard(i, 3).part(items) for i in (1, 2, 3)] == [
        ["a", "d", "g"],
        ["b", "e"],
        ["c", "f"],
    ]
    with pytest.raises(InputError, match="use at most 7 shards"):
        RelationShard.parse("1/8").part(items)


def test_each_shard_has_an_output_of_its_own() -> None:
    assert RelationShard(2, 4).path(Path("x/g.jsonl")) == Path("x/g.shards/2-of-4/g.jsonl")
