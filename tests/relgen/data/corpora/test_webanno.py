"""WebAnno TSV 3, as INCEpTION writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader, refused_at_the_end

HEADER = """#FORMAT=WebAnno TSV 3.3
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value
#T_SP=webanno.custom.Note
#T_RL=webanno.custom.Relation|label|BT_de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity


"""
# an emoji counts as two, and the founder's token has no number of its own
SENTENCES = r"""#Text=😀 It rained.
1-1	0-2	😀	_	_	_	_	_
1-2	3-5	It	_	_	*	_	_
1-3	6-12	rained	_	_	_	_	_
1-4	12-13	.	_	_	_	_	_

#Text=Kite 😀 Press\_1 was founded by Olu.
2-1	14-18	Kite	*[1]	ORG[1]	_	_	_
2-2	19-21	😀	*[1]	ORG[1]	_	_	_
2-3	22-29	Press\_1	*[1]	ORG[1]	_	_	_
2-4	30-33	was	_	_	_	_	_
2-5	34-41	founded	_	_	_	_	_
2-6	42-44	by	_	_	_	_	_
2-7	45-48	Olu	*	PER	_	founded\_by	2-1[1_0]
2-8	48-49	.	_	_	_	_	_
"""
READ = reader("webanno")


def _write(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "doc.tsv"
    # every row ends in a tab
    path.write_text(re.sub(r"(?m)^(\d.*)$", "\\1\t", content), encoding="utf-8")
    return path


def test_an_export(tmp_path: Path) -> None:
    expected = Sample(
        "doc-1",
        "Kite 😀 Press_1 was founded by Olu.",
        Entity(0, 14, "ORG"),
        Entity(30, 33, "PER"),
        "founded_by",
        group="doc",
    )
    path = _write(tmp_path, HEADER + SENTENCES)
    assert list(READ(path)) == [expected]
    assert list(READ(tmp_path)) == [expected]


def test_stacked_and_nested_entities(tmp_path: Path) -> None:
    rows = """#Text=University of Bern
1-1	0-10	University	*[1]	ORG[1]	_	_	_
1-2	11-13	of	*[1]	ORG[1]	_	_	_
1-3	14-18	Bern	*[1]|*[2]	ORG[1]|LOC[2]	_	in|near	1-1[1_2]|1-1[1_2]
"""
    found = list(READ(_write(tmp_path, HEADER + rows)))
    assert [(s.head_text, s.tail_text, s.tail.type, s.relation) for s in found] == [
        ("University of Bern", "Bern", "LOC", "in"),
        ("University of Bern", "Bern", "LOC", "near"),
    ]


def _relation_layer(layer: str, cells: str) -> str:
    """Return a document of two names with a relation of a layer between them."""
    empty = "\t".join("_" * (cells.count("\t") + 1))
    return (
        f"#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.Name|kind|sex\n#T_RL=webanno.custom.{layer}"
        f"|BT_webanno.custom.Name\n\n\n#Text=Ada met Bo\n1-1\t0-3\tAda\tPER\tf\t{empty}\n"
        f"1-2\t4-7\tmet\t_\t_\t{empty}\n1-3\t8-10\tBo\tPER\tm\t{cells}\n"
    )


@pytest.mark.parametrize(
    ("layer", "cells", "chosen", "relation", "note"),
    [
        ("Link|why", "met\t1-1", None, "met", None),
        ("Link|why", "met\t1-1", "why", "met", None),
        ("Link|certain|why", "yes\tmet\t1-1", "why", "met", None),
        ("Link|why|label", "yes\tmet\t1-1", "why", "yes", None),
        (
            "Link|certain|label",
            "yes\tmet\t1-1",
            None,
            "met",
            "1 relation has the features certain, label, of which label is the label (--columns "
            "relation=… names another); the first: line 9",
        ),
        (
            "Met",
            "1-1",
            None,
            "Met",
            "1 relation is of the layer Met, whose name is the label: it has no features; the "
            "first: line 9",
        ),
    ],
)
def test_the_feature_that_is_the_label(
    layer: str, cells: str, chosen: str | None, relation: str, note: str | None, tmp_path: Path
) -> None:
    path = _write(tmp_path, _relation_layer(layer, cells))
    checks, columns = RecordChecks(path), {"type": "sex"}
    columns |= {"relation": chosen} if chosen else {}
    (sample,) = READ(path, checks=checks, columns=columns)
    assert (sample.head.type, sample.tail.type, sample.relation) == ("f", "m", relation)
    assert checks.noted() == ([note] if note else [])


def test_a_feature_must_be_chosen(tmp_path: Path) -> None:
    path = _write(tmp_path, _relation_layer("Link|certain|why", "yes\tmet\t1-1"))
    with pytest.raises(InputError) as caught:
        list(READ(path))
    assert str(caught.value) == (
        f"{path}: field 'Link': which of these features of the layer is the label? (got "
        "['certain', 'why']); choose one: --columns relation=certain"
    )
    refused_at_the_end(
        READ(path, columns={"relation": "whi"}, negative="none"),
        r"no relation became a sample: .* 1 relation is of the layer Link \(certain, why\): left "
        r"out; the first: line 9; relation layers and their features are: Link \(certain, why\)$",
    )


def test_a_type_must_be_chosen(tmp_path: Path) -> None:
    path = _write(tmp_path, _relation_layer("Link|why", "met\t1-1"))
    checks = RecordChecks(path)
    (sample,) = READ(path, checks=checks)
    assert (sample.head.type, sample.tail.type) == (None, None)
    assert checks.noted() == [
        "2 mentions have no type, which kind, sex of Name may be (--columns type=…); the "
        "first: line 7"
    ]


def test_a_file_without_relations(tmp_path: Path) -> None:
    path = _write(tmp_path, _relation_layer("Link|why", "_\t_"))
    message = (
        r"doc\.tsv: no relations are in this file; relation layers and their features are: Link"
    )
    found = refused_at_the_end(READ(path, columns={"type": "sex"}, negative="none"), message)
    assert [(s.head_text, s.tail_text, s.relation) for s in found] == [("Ada", "Bo", "none")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\tKite\tO\n", r"not WebAnno TSV 3 .*export the document as WebAnno TSV v3\.3"),
        ("#FORMAT=WebAnno TSV 3.3\n#T_RL=webanno.custom.R\n", "does not say between what"),
        (HEADER + "#Text=a\n1-1\t0-1\ta\n", r"doc\.tsv:8: must have 8 columns"),
        (HEADER + "#Text=a\n1-1\t0-9\ta\t_\t_\t_\t_\t_\n", "outside the sentence"),
        (HEADER + "#Text=a\n1-1\t0-1\ta\t*\tX\t_\tr\tx\n", "must be like 1-1 or"),
        (HEADER + "#Text=a\n1-1\t0-1\ta\t*\tX\t_\tr\t1-2\n", r"doc\.tsv:8: .*no such entity"),
    ],
)
def test_what_cannot_be_read(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        list(READ(_write(tmp_path, content)))


def test_a_sentence_of_several_lines(tmp_path: Path) -> None:
    rows = """#Text=It rained.

#Text=Kite 😀 was founded
#Text=
#Text=by Olu.
1-1	11-15	Kite	*	ORG	_	_	_
1-2	16-18	😀	_	_	_	_	_
1-3	35-38	Olu	*	PER	_	founded_by	1-1

#Text=Ann left Bo.
2-1	40-43	Ann	*	PER	_	_	_
2-2	49-51	Bo	*	PER	_	left	2-1
"""
    first, second = READ(_write(tmp_path, HEADER + rows))
    assert first.text == "Kite 😀 was founded\n\nby Olu."
    assert (first.head_text, first.tail_text) == ("Kite", "Olu")
    assert (second.text, second.head_text, second.tail_text) == ("Ann left Bo.", "Ann", "Bo")


def _project(tmp_path: Path, *files: str) -> Path:
    """Write the files of a project's export; each labels the relation by its annotator."""
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"{path.parent.name} met Bo"
        place = len(text) - 2
        header = (
            "#FORMAT=WebAnno TSV 3.3\n#T_SP=custom.Name|kind\n#T_RL=custom.Link|why|BT_custom.Name"
        )
        rows = f"1-1\t0-1\td\tPER\t_\t_\t\n1-2\t{place}-{place + 2}\tBo\tPER\t{path.stem}\t1-1\t\n"
        path.write_text(f"{header}\n\n\n#Text={text}\n{rows}", encoding="utf-8")
    return tmp_path


def test_the_curated_files_of_a_project_count(tmp_path: Path) -> None:
    files = ["a/ann", "a/bo", "a/INITIAL_CAS", "b/bo", "b/INITIAL_CAS"]
    curated = "curation/a/CURATION_USER.tsv"
    path = _project(tmp_path, curated, *(f"annotation/{name}.tsv" for name in files))
    checks = RecordChecks(path)
    assert [s.relation for s in READ(path, checks=checks)] == ["bo", "CURATION_USER"]
    assert checks.noted() == [
        "2 files are of annotators of a curated document: left out; the first: record "
        "annotation/a/ann.tsv"
    ]


def test_several_annotators_of_a_document_are_refused(tmp_path: Path) -> None:
    path = _project(tmp_path, *(f"annotation/{name}.tsv" for name in ("a/ann", "a/bo", "b/bo")))
    with pytest.raises(InputError) as caught:
        list(READ(path))
    assert str(caught.value) == (
        f"{path}/annotation/a/bo.tsv: a document with several annotators: ann.tsv has the same "
        "text; curate it and give the folder curation, or leave one of these files there"
    )
