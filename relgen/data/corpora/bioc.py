"""BioC, as XML or JSON: passages with annotations, and relations between them.

    <collection><document><id>1</id><passage><offset>0</offset><text>…</text>
      <annotation id="T1"><infon key="type">Gene</infon><location offset="4" length="5"/>
        <text>BRCA1</text></annotation></passage>
      <relation id="R1"><infon key="type">binds</infon>
        <node refid="T1" role="Arg1"/><node refid="T2" role="Arg2"/></relation></document>
    </collection>

The first node is the head, the second the tail. Without two nodes, infons name concepts, of which
`concepts.closest_pairs` chooses mentions: `entity1` and `entity2` in BioRED, `role1` and `role2` in
PubTator3, `Chemical` and `Disease` in BC5CDR. Offsets count from the start of the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from relgen.common import InputError, read_json, read_text
from relgen.data.corpora.concepts import (
    ConceptRelation,
    concept_document,
    identifiers,
    mentions_of,
)
from relgen.data.corpora.documents import Document, Mention, Related, samples, sentences_within
from relgen.data.corpora.reading import ReadOptions, malformed, whole_number
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks

_REMEDY = "give a BioC collection with relations, as XML or JSON"
_CONCEPTS = ("identifier", "Identifier", "MESH", "NCBIGENE")
_ENDS = ("entity1", "entity2", "role1", "role2", "Chemical", "Disease")


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a collection, with ids such as `1-1` by document and relation."""
    checks.remedy = _REMEDY
    for number, record in enumerate(_documents(path), start=1):
        document = None
        with checks.record(place := f"[{number}]"), malformed("BioC"):
            document = _document(record, place, checks, options)
        if document is not None:
            yield from samples(document, checks, options)


def _documents(path: Path) -> list[Any]:
    """Return the documents of a file as BioC's JSON has them."""
    if path.is_file() and path.read_bytes().lstrip()[:1] in (b"{", b"["):
        content = read_json(path)
        # PubTator's service wraps its documents in a list
        content = {"documents": content} if isinstance(content, list) else content
        found = content.get("documents", content.get("PubTator3"))
        if not isinstance(found, list):
            raise InputError("no `documents`", path=path, value=sorted(content), remedy=_REMEDY)
        return found
    try:
        root = ElementTree.fromstring(read_text(path))
    except ElementTree.ParseError as error:
        raise InputError(f"not XML: {error}", path=path, remedy=_REMEDY) from error
    return [_converted(each) for each in root.iter("document")]


def _converted(element: ElementTree.Element) -> dict[str, Any]:
    """Return an XML element as BioC's JSON has it."""
    row: dict[str, Any] = {**element.attrib}
    row["infons"] = {each.get("key"): each.text or "" for each in element.findall("infon")}
    for name in ("id", "text", "offset"):
        if (text := element.findtext(name)) is not None:
            row[name] = text
    for name in ("passage", "sentence", "annotation", "relation", "location", "node"):
        row[f"{name}s"] = [_converted(each) for each in element.findall(name)]
    return row


def _document(record: Any, place: str, checks: RecordChecks, options: ReadOptions) -> Document:
    if not isinstance(record, dict) or not isinstance(record.get("passages"), list):
        raise InputError("a document without passages", value=record, remedy=_REMEDY)
    passages = record["passages"]
    text, sentences, parts = "", list[tuple[int, int]](), list[tuple[int, int]]()
    for passage in passages:
        for part in passage.get("sentences") or [passage]:
            gap = (_number(part, "offset") if part.get("offset") else 0) - len(text)
            text += " " * gap
            begin, text = len(text), text + (part.get("text") or "")
            (parts if part is passage else sentences).append((begin, len(text)))
    rows = [*(part for each in passages for part in (each, *(each.get("sentences") or []))), record]
    mentions, concepts = dict[str, Mention](), dict[str, list[str]]()
    for annotation in (each for row in rows for each in row.get("annotations") or []):
        with checks.record(place), malformed("BioC"):
            mentions[key := str(annotation.get("id"))] = _mention(annotation)
            for name in _concepts(annotation):
                concepts.setdefault(name, []).append(key)
    sentences = sorted([*sentences, *sentences_within(text, parts, mentions.values())])
    named = concepts | {key: [key] for key in mentions}
    relations, related = list[ConceptRelation](), list[Related]()
    for relation in (each for row in rows for each in row.get("relations") or []):
        with checks.record(place), malformed("BioC"):
            nodes, infons = _nodes(relation), relation.get("infons") or {}
            if len(nodes) > 2:
                checks.note("have more than two entities: left out", place, "relation")
                related += combinations([named.get(node, []) for node in nodes], 2)
                continue
            if len(nodes) == 2:
                heads, tails = (mentions_of(node, named) for node in nodes)
            else:  # the only node of PubTator3 names no entity
                heads, tails = (mentions_of(each, concepts) for each in _related_concepts(infons))
            label = infons.get("type") or infons.get("relation") or ""
            relations.append(ConceptRelation(heads, tails, label, place))
    name = str(record.get("id", place))
    document = Document(name, place, text, mentions, (), sentences, related=related)
    return concept_document(document, relations, checks, options)


def _mention(annotation: Mapping[str, Any]) -> Mention:
    spans = [
        (_number(each, "offset"), _number(each, "length"))
        for each in annotation.get("locations") or []
    ]
    if not spans:
        raise InputError("an annotation without a location", value=annotation.get("id"))
    kind = (annotation.get("infons") or {}).get("type")
    text = annotation.get("text") if len(spans) == 1 else None
    return Mention(min(s for s, _ in spans), max(s + size for s, size in spans), kind, text)


def _number(row: Mapping[str, Any], key: str) -> int:
    number = whole_number(row.get(key), key)
    if number is None:
        raise InputError("missing", field=key)
    return number


def _concepts(annotation: Mapping[str, Any]) -> set[str]:
    """Return the ids of what an annotation mentions."""
    infons = annotation.get("infons") or {}
    return {name for key in _CONCEPTS if infons.get(key) for name in identifiers(str(infons[key]))}


def _nodes(relation: Mapping[str, Any]) -> list[str]:
    """Return the ids of the entities that a relation relates, the head first."""
    nodes = relation.get("nodes") or []
    if {"Arg1", "Arg2"} == {node.get("role") for node in nodes}:
        nodes = sorted(nodes, key=lambda node: str(node["role"]))
    return [str(node.get("refid")) for node in nodes]


def _related_concepts(infons: Mapping[str, Any]) -> Iterator[str]:
    """Yield the two concepts that a relation relates, the head first."""
    found = [(key, infons[key]) for key in _ENDS if infons.get(key)]
    if len(found) != 2:
        problem = "names neither two nodes nor two concepts"
        raise InputError(problem, field="relation", value=infons, remedy=_REMEDY)
    for key, value in found:
        if isinstance(value, dict):
            yield str(value.get("identifier"))
        else:  # role1 in XML is Chemical|MESH:D008094
            yield value.partition("|")[2] if key.startswith("role") else value
