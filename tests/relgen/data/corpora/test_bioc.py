"""BioC, as XML and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader, refused_at_the_end

READ = reader("bioc")
XML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE collection SYSTEM "BioC.dtd">
<collection><source>PubMed</source><date>20260101</date><key>k.key</key>
<document><id>77</id>
<passage><infon key="type">title</infon><offset>0</offset><text>A title.</text></passage>
<passage><infon key="type">abstract</infon><offset>9</offset><text>BRCA1 binds BARD1.</text>
<annotation id="T1"><infon key="type">Gene</infon><location offset="9" length="5"/>
<text>BRCA1</text></annotation>
<annotation id="T2"><infon key="type">Gene</infon><location offset="21" length="5"/>
<text>BARD1</text></annotation>
<relation id="R1"><infon key="type">binds</infon>
<node refid="T2" role="Arg2"/><node refid="T1" role="Arg1"/></relation></passage>
</document></collection>
"""
SAMPLE = Sample(
    "77-1", "BRCA1 binds BARD1.", Entity(0, 5, "Gene"), Entity(12, 17, "Gene"), "binds", group="77"
)


def _annotation(key: str, offset: int, text: str, concept: str) -> dict[str, Any]:
    return {
        "id": key,
        "infons": {"type": "Gene", "identifier": concept},
        "text": text,
        "locations": [{"offset": offset, "length": len(text)}],
    }


def _collection(*relations: Any) -> dict[str, Any]:
    annotations = [_annotation("1", 9, "BRCA1", "672"), _annotation("2", 21, "BARD1", "580")]
    abstract = {"offset": 9, "infons": {}, "text": SAMPLE.text, "annotations": annotations}
    title = {"offset": 0, "infons": {}, "text": "A title.", "annotations": [], "relations": []}
    document = {"id": "77", "infons": {}, "passages": [title, abstract]}
    return {"source": "BioRED", "documents": [document | {"relations": list(relations)}]}


def _infons(**infons: str) -> dict[str, Any]:
    return {"id": "R0", "infons": infons, "nodes": []}


def test_xml(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(XML, encoding="utf-8")
    assert list(READ(tmp_path / "a.xml")) == [SAMPLE]


def test_json_with_nodes_and_with_concepts(tmp_path: Path) -> None:
    path, nodes = tmp_path / "a.json", [{"refid": "1", "role": ""}, {"refid": "2", "role": ""}]
    by_nodes = {"id": "R0", "infons": {"type": "binds"}, "nodes": nodes}
    for relation in (by_nodes, _infons(entity1="672", entity2="580", type="binds")):
        path.write_text(json.dumps(_collection(relation)), encoding="utf-8")
        assert list(READ(path)) == [SAMPLE]


@pytest.mark.parametrize(
    ("concepts", "infons"),
    [
        (
            ("MESH:672", "580"),
            {"role1": {"identifier": "MESH:672"}, "role2": {"identifier": "580"}},
        ),
        (("MESH:672", "580"), {"role1": "Gene|MESH:672", "role2": "Gene|580"}),
        (("672", "580"), {"Chemical": "672", "Disease": "580"}),
        (("p|SUB|V|580|E", "580"), {"entity1": "p|SUB|V|580|E", "entity2": "580"}),
        (("2", "1"), {"entity1": "2", "entity2": "1"}),  # no ids of annotations
    ],
)
def test_how_corpora_name_concepts(
    concepts: tuple[str, str], infons: dict[str, Any], tmp_path: Path
) -> None:
    node = {"refid": "0", "role": "1,2"}
    relation = {"id": "R1", "infons": {**infons, "type": "binds", "score": "1"}, "nodes": [node]}
    content = _collection(relation)
    annotations = content["documents"][0]["passages"][1]["annotations"]
    for annotation, concept in zip(annotations, concepts, strict=True):
        annotation["infons"]["identifier"] = concept
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    assert list(READ(tmp_path / "a.json")) == [SAMPLE]


def test_a_bad_annotation_or_relation_is_one_by_itself(tmp_path: Path) -> None:
    good = _infons(entity1="672", entity2="580", type="binds")
    content = _collection(_infons(type="r"), {"id": "R", "nodes": 5}, ["R"], good)
    content["documents"][0]["passages"][0]["annotations"] = [
        {"id": "9"},
        _annotation("8", 2, "t", ""),
    ]
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    checks = RecordChecks(tmp_path / "a.json", skip_bad=True)
    assert list(READ(tmp_path / "a.json", checks=checks)) == [SAMPLE]
    assert checks.skipped == 4


def test_sentences_are_those_of_the_file_and_none_leaves_its_passage(tmp_path: Path) -> None:
    content = _collection(_infons(entity1="672", entity2="580", type="binds"))
    title, abstract = content["documents"][0]["passages"]
    title["text"] = "A title!"
    (tmp_path / "a.json").write_text(json.dumps(content).replace("!", ";"), encoding="utf-8")
    assert list(READ(tmp_path / "a.json")) == [SAMPLE]
    first = {"offset": 9, "text": "BRCA1 binds No. 1"}
    second = {"offset": 27, "text": "It rains", "annotations": abstract.pop("annotations")}
    abstract |= {"text": "", "sentences": [first, second]}
    second["annotations"][1] |= {"text": "No. 1", "locations": [{"offset": 21, "length": 5}]}
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    assert [sample.text for sample in READ(tmp_path / "a.json")] == [first["text"]]


def test_offsets_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(XML.replace("A title", "Ä title"), encoding="utf-8")
    checks = RecordChecks(tmp_path / "a.xml")
    content = XML.replace("A title", "Ä title").replace("<offset>9", "<offset>10")
    content = content.replace('offset="9"', 'offset="10"').replace('offset="21"', 'offset="22"')
    (tmp_path / "a.xml").write_text(content, encoding="utf-8")
    (sample,) = READ(tmp_path / "a.xml", checks=checks)
    assert (sample.head_text, sample.tail_text) == ("BRCA1", "BARD1")


@pytest.mark.parametrize(
    ("nodes", "ambiguous", "relations"),
    [
        (["1"], None, ["none", "none"]),
        (["1", "2", "9"], None, ["none"]),  # no sample has three entities, but they are related
        (["672", "580"], "skip", ["none"]),
    ],
)
def test_related_pairs_are_not_negative(
    nodes: list[str], ambiguous: Any, relations: list[str], tmp_path: Path
) -> None:
    relation = {"infons": {"type": "r"}, "nodes": [{"refid": key} for key in nodes]}
    content = _collection(relation) if len(nodes) > 1 else _collection()
    passage = content["documents"][0]["passages"][1]
    passage["text"] += " It binds BARD1."
    passage["annotations"] += [_annotation("3", 37, "BARD1", "580"), _annotation("4", 28, "It", "")]
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    read = READ(tmp_path / "a.json", negative="none", ambiguous=ambiguous)
    found = refused_at_the_end(read, "no relation")
    assert [sample.relation for sample in found] == relations
    if ambiguous is not None:
        assert [s.relation for s in READ(tmp_path / "a.json", negative="none")] == ["r", "none"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x", "not XML"),
        ("<a/>", "no relations are in this file; give a BioC collection"),
        ('{"a": 1}', "no `documents`"),
        (
            json.dumps(_collection()).replace('"offset": 21', '"offset": 0.9'),
            "'offset': must be a whole number .got 0.9",
        ),
        ('{"documents": [5]}', r"record \[1\]: a document without passages"),
        (json.dumps(_collection(_infons(entity1="1", entity2="9", type="r"))), "a concept without"),
    ],
)
def test_what_cannot_be_read(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        list(READ(tmp_path / "a"))


def test_relations_of_several_entities_are_counted(tmp_path: Path) -> None:
    nodes = [{"refid": key, "role": ""} for key in ("1", "2", "1")]
    path, checks = tmp_path / "a.json", RecordChecks(tmp_path / "a.json")
    several = {"id": "R0", "infons": {"type": "r"}, "nodes": nodes}
    two = _infons(entity1="672", entity2="580", type="binds")
    path.write_text(json.dumps(_collection(several, two)), encoding="utf-8")
    assert list(READ(path, checks=checks)) == [SAMPLE]
    assert checks.noted() == [
        "1 relation has more than two entities: left out; the first: record [1]"
    ]
