"""WebAnno TSV 3, as INCEpTION writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from tests.relgen.data.corpora.readers import reader

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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\tKite\tO\n", r"not WebAnno TSV 3 .*export the document as WebAnno TSV v3\.3"),
        (HEADER + "#Text=a\n1-1\t0-1\ta\n", r"doc\.tsv:8: must have 8 columns"),
        (HEADER + "#Text=a\n1-1\t0-9\ta\t_\t_\t_\t_\t_\n", "outside the sentence"),
        (HEADER + "#Text=a\n1-1\t0-1\ta\t*\tX\t_\tr\tx\n", "must be like 1-1 or"),
        (HEADER + "#Text=a\n1-1\t0-1\ta\t*\tX\t_\tr\t1-2\n", r"doc\.tsv:8: .*no such entity"),
    ],
)
def test_what_cannot_be_read(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        list(READ(_write(tmp_path, content)))
