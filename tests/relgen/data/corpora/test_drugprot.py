"""DrugProt's and ChemProt's tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

READ = reader("drugprot")
ABSTRACT = "12\tA title.\tAspirin inhibits COX1.\n"
ENTITIES = "12\tT1\tCHEMICAL\t9\t16\tAspirin\n12\tT2\tGENE-Y\t26\t30\tCOX1\n"
SAMPLE = Sample(
    "12-1",
    "Aspirin inhibits COX1.",
    Entity(0, 7, "CHEMICAL"),
    Entity(17, 21, "GENE-Y"),
    "INHIBITOR",
    group="12",
)


def _write(folder: Path, relations: str, entities: str = ENTITIES, name: str = "training") -> Path:
    for part, content in (
        ("abstracs", ABSTRACT),
        ("entities", entities),
        ("relations", relations),
    ):
        (folder / f"drugprot_{name}_{part}.tsv").write_text(content, encoding="utf-8")
    return folder


def test_drugprot(tmp_path: Path) -> None:
    assert list(READ(_write(tmp_path, "12\tINHIBITOR\tArg1:T1\tArg2:T2\n"))) == [SAMPLE]


def test_no_sentence_goes_on_from_the_title(tmp_path: Path) -> None:
    path = _write(tmp_path, "12\tINHIBITOR\tArg1:T1\tArg2:T2\n")
    abstracts = next(path.glob("*abstracs*"))
    abstracts.write_text(ABSTRACT.replace("title.", "title "), encoding="utf-8")
    assert list(READ(path)) == [SAMPLE]


def test_chemprot_leaves_out_what_is_not_evaluated(tmp_path: Path) -> None:
    rows = "12\tCPR:4\tY \tINHIBITOR\tArg1:T1\tArg2:T2\n12\tCPR:0\tN \tX\tArg1:T2\tArg2:T1\n"
    checks = RecordChecks(tmp_path)
    (sample,) = READ(_write(tmp_path, rows), checks=checks)
    assert sample == SAMPLE.with_relation("CPR:4")
    assert checks.noted() == [
        "1 relation is not evaluated in ChemProt (N): left out; the first: line 2"
    ]


def test_what_is_not_evaluated_is_not_negative(tmp_path: Path) -> None:
    row = "12\tCPR:{}\t{}\tX\tArg1:T{}\tArg2:T2\n"
    entities = f"{ENTITIES}12\tT3\tCHEMICAL\t17\t25\tinhibits\n"
    path = _write(tmp_path, row.format(4, "Y", 1) + row.format(0, "N", 3), entities)
    found = [(s.head_text, s.tail_text, s.relation) for s in READ(path, negative="none")]
    assert found == [("Aspirin", "COX1", "CPR:4"), ("Aspirin", "inhibits", "none")]


def test_of_several_sets_one_is_chosen(tmp_path: Path) -> None:
    for name in ("training", "development"):
        _write(tmp_path, f"12\t{name}\tArg1:T1\tArg2:T2\n", name=name)
    with pytest.raises(InputError, match="choose a set with --split-name training"):
        list(READ(tmp_path))
    assert [s.relation for s in READ(tmp_path, split_name="development")] == ["development"]


@pytest.mark.parametrize(
    ("relations", "entities", "message"),
    [
        ("12\tr\tArg1:T1\n", ENTITIES, r"relations\.tsv:1: must have 4 or 6 columns"),
        ("13\tr\tArg1:T1\tArg2:T2\n", ENTITIES, r"relations\.tsv:1: .*no abstract .*got '13'"),
        ("12\tr\tArg1:T1\tArg2:T9\n", ENTITIES, r"relations\.tsv:1: .*no such entity .got 'T9'"),
        ("", ENTITIES.replace("\t9", "\tx"), r"entities\.tsv:1: .*must be whole numbers"),
    ],
)
def test_a_malformed_line_is_named(
    relations: str, entities: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        list(READ(_write(tmp_path, relations, entities)))


def test_a_folder_without_the_tables(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one file of abstrac… is needed, here are: none; give"):
        list(READ(tmp_path))
