"""PubTator's text."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader, refused_at_the_end

TITLE = "Aspirin and ulcers."
ABSTRACT = "We gave aspirin. It caused ulcers, said Mr. Bo. Aspirin eases pain."
CONTENT = f"""123|t|{TITLE}
123|a|{ABSTRACT}
123\t0\t7\tAspirin\tChemical\tD001
123\t12\t18\tulcers\tDisease\tD002
123\t28\t35\taspirin\tChemical\tD001
123\t47\t53\tulcers\tDisease\tD002
123\t68\t75\tAspirin\tChemical\tD001
123\t82\t86\tpain\tDisease\tD003|D004
123\tCID\tD001\tD002
123\tTreats\tD001\tD004\tNovel

"""
READ = reader("pubtator")


def _write(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "train.PubTator.txt"
    path.write_text(content, encoding="utf-8")
    return path


def test_the_closest_mentions_of_two_concepts(tmp_path: Path) -> None:
    checks = RecordChecks(tmp_path / "train.PubTator.txt")
    found = list(READ(_write(tmp_path, CONTENT), checks=checks))
    assert found == [
        Sample("123-1", TITLE, Entity(0, 7, "Chemical"), Entity(12, 18, "Disease"), "CID",
               group="123"),
        Sample("123-2", "Aspirin eases pain.", Entity(0, 7, "Chemical"),
               Entity(14, 18, "Disease"), "Treats", group="123"),
    ]  # fmt: skip
    assert checks.noted() == [
        "2 relations have entities with several mentions; the first: line 9",
    ]


def test_all_pairs_of_one_sentence_and_none(tmp_path: Path) -> None:
    path = _write(tmp_path, CONTENT)
    found = list(READ(path, ambiguous="all-pairs"))
    assert [(s.text, s.relation) for s in found] == [
        (TITLE, "CID"),
        ("Aspirin eases pain.", "Treats"),
    ]
    with pytest.raises(InputError, match="no relation became a sample: 2 relations were left out"):
        list(READ(path, ambiguous="skip"))


def test_other_mentions_of_related_concepts_are_not_negative(tmp_path: Path) -> None:
    more = "123\t37\t39\tIt\tChemical\tD001\n123\t64\t66\tBo\tPerson\tD005\n"
    path = _write(tmp_path, CONTENT.replace("\n\n", f"\n{more}\n"))
    negative = [("It", "Bo", "none"), ("ulcers", "Bo", "none")]
    found = list(READ(path, negative="none"))
    assert [s.relation for s in found[:-2]] == ["CID", "Treats"]
    skipping = READ(path, negative="none", ambiguous="skip")
    for each in (found[-2:], refused_at_the_end(skipping, "no relation became a sample")):
        assert [(s.head_text, s.tail_text, s.relation) for s in each] == negative


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("123\tCID\tD001\tD9", r"txt:12: .*a concept without a mention"),
        ("123\t1\t2", r"txt:12: neither a text, nor a mention or a relation"),
        ("123\t28\t35\tulcers\tX\tD7\n123\tCID\tD7\tD001", r"txt:13: .*got 'ulcers'"),
    ],
)
def test_a_malformed_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    content = CONTENT.replace("\n\n", f"\n123\tX\tD001\tD002\n{line}\n")
    with pytest.raises(InputError, match=message):
        list(READ(_write(tmp_path, content)))
