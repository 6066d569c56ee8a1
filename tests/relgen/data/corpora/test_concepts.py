"""Relations between concepts: their ids, and which of their mentions become samples."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora.concepts import ConceptRelation, closest_pairs, identifiers, mentions_of
from relgen.data.corpora.documents import Document, Mention
from relgen.data.corpora.reading import ReadOptions
from relgen.data.validation import RecordChecks


def chosen(
    mentions: Any, heads: Any, tails: Any, checks: RecordChecks | None = None, **options: Any
) -> Any:
    document = Document("a", 1, "", mentions, (), [(0, 9), (10, 20)])
    relation = ConceptRelation(list(heads), list(tails), "r", 1)
    return closest_pairs(document, relation, checks or RecordChecks("a"), ReadOptions(**options))


@pytest.mark.parametrize(
    ("ambiguous", "expected"),
    [(None, [("a", "c")]), ("first", [("a", "c")]), ("all-pairs", [("a", "c"), ("b", "d")])],
)
def test_mentions_of_concepts(ambiguous: Any, expected: list[tuple[str, str]]) -> None:
    mentions = {"a": Mention(0, 1), "c": Mention(3, 4), "b": Mention(10, 11), "d": Mention(15, 16)}
    checks = RecordChecks("a")
    assert chosen(mentions, "ab", "cd", checks, ambiguous=ambiguous) == expected
    assert checks.noted() == ["1 relation has entities with several mentions; the first: line 1"]
    assert chosen(mentions, "ab", "cd", ambiguous="skip") == []


def test_the_closest_may_stand_on_either_side_and_the_first_counts() -> None:
    mentions = {"t": Mention(0, 1), "h": Mention(3, 4), "u": Mention(5, 6), "i": Mention(8, 9)}
    assert chosen(mentions, "hi", "tu") == [("h", "u")]
    assert chosen({**mentions, "u": Mention(6, 7)}, "h", "tu") == [("h", "t")]


def test_overlapping_mentions_count_if_no_others_are_there() -> None:
    nested = {"A b": Mention(0, 3), "b": Mention(2, 3), "other": Mention(8, 9)}
    for ambiguous in (None, "all-pairs", "skip"):
        assert chosen(nested, ["A b"], ["b", "other"], ambiguous=ambiguous) == [("A b", "other")]
        assert chosen(nested, ["A b"], ["b", "A b"], ambiguous=ambiguous) == [("A b", "b")]
    with pytest.raises(InputError, match=r"the same mention at both ends .got 'r'"):
        chosen(nested, ["b"], ["b"])


def test_the_closest_of_many_is_found_without_their_product() -> None:
    class Counting(UserDict[int, Mention]):
        count = 0

        def __getitem__(self, key: int) -> Mention:
            self.count += 1
            return super().__getitem__(key)

    mentions = Counting({n: Mention(10 * n, 10 * n + 1 + (n == 501)) for n in range(2000)})
    assert chosen(mentions, range(0, 2000, 2), range(1, 2000, 2)) == [(502, 501)]
    assert mentions.count < 100_000  # of 1,000,000 pairs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("D003|D004", ["D003", "D004"]),
        ("348,335;348", ["348", "335"]),
        ("p|SUB|V|600|E", ["p|SUB|V|600|E"]),
        ("|SUB|C|677|T, c|DEL|15,16|A", ["|SUB|C|677|T", "c|DEL|15,16|A"]),
        ("tmVar:p|Allele|H|19;VariantGroup:1", ["tmVar:p|Allele|H|19", "VariantGroup:1"]),
    ],
)
def test_identifiers(text: str, expected: list[str]) -> None:
    assert identifiers(text) == expected


def test_an_end_with_several_ids_is_what_has_them_all() -> None:
    mentioned = {"RS#:1": [1, 3], "HGVS:p.V600E": [2, 3], "Gene:673": [1, 2, 3]}
    assert mentions_of("Gene:673;RS#:1", mentioned) == [1, 3]
    assert mentions_of("Gene:673", mentioned) == [1, 2, 3]
    for concept in ("Gene:673;RS#:2", "673", ""):
        with pytest.raises(InputError, match=f"a concept without a mention .got '{concept}'"):
            mentions_of(concept, mentioned)
