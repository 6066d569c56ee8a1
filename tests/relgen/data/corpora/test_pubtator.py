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


def test_a_variant_is_no_gene_with_its_number(tmp_path: Path) -> None:
    content = """1|t|BRAF V600E in melanoma
1|a|The DAB2 gene is lost. V600E causes melanoma.
1\t0\t4\tBRAF\tGene\t673
1\t5\t10\tV600E\tVariant\ttmVar:p|SUB|V|600|E;HGVS:p.V600E;CorrespondingGene:673
1\t14\t22\tmelanoma\tDisease\tD008545
1\t27\t31\tDAB2\tGene\t600
1\t59\t67\tmelanoma\tDisease\tD008545
1\tNegative_Correlation\t600\tD008545\tNovel
1\tAssociation\tCorrespondingGene:673;HGVS:p.V600E\tD008545
"""
    gene, variant = READ(_write(tmp_path, content))
    assert (gene.head_text, gene.tail_text) == ("DAB2", "melanoma")
    # no sentence goes on from the title to the abstract
    assert (variant.head_text, variant.text) == ("V600E", "BRAF V600E in melanoma")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("123\tCID\tD001\tD9", r"txt:12: .*a concept without a mention .got 'D9'"),
        ("123\t1\t2", r"txt:12: neither a text, nor a mention or a relation"),
        ("123\t28\t35\tulcers\tX\tD7\n123\tCID\tD7\tD001", r"txt:13: .*got 'ulcers'"),
    ],
)
def test_a_malformed_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    content = CONTENT.replace("\n\n", f"\n123\tX\tD001\tD002\n{line}\n")
    with pytest.raises(InputError, match=message):
        list(READ(_write(tmp_path, content)))
