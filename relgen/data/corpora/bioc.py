"""BioC, as XML or JSON: passages with annotations, and relations between them.

    <collection><document><id>1</id><passage><offset>0</offset><text>…</text>
      <annotation id="T1"><infon key="type">Gene</infon><location offset="4" length="5"/>
        <text>BRCA1</text></annotation></passage>
      <relation id="R1"><infon key="type">binds</infon>
        <node refid="T1" role="Arg1"/><node refid="T2" role="Arg2"/></relation></document>
    </collection>

The first node is the head, the second the tail. Where nodes are missing, as in BioRED, the infons
`entity1` and `entity2` name concepts, of which `closest_pairs` chooses mentions. Offsets count from
the start of the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from relgen.common import InputError, read_json, read_text
from relgen.data.corpora.documents import (
    Document,
    Link,
    Mention,
    closest_pairs,
    mention_sentences,
    samples,
)
from relgen.data.corpora.reading import ReadOptions, malformed, whole_number
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks

_REMEDY = "give a BioC collection with relations, as XML or JSON"
_CONCEPTS = ("identifier", "Identifier", "MESH", "NCBIGENE")


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
    parts = [part for each in passages for part in each.get("sentences") or [each]]
    text = ""
    for part in parts:
        gap = (_number(part, "offset") if part.get("offset") else 0) - len(text)
        text += " " * gap + (part.get("text") or "")
    rows = {id(row): row for row in (record, *passages, *parts)}.values()
    annotations = [each for row in rows for each in row.get("annotations") or []]
    mentions = {str(each.get("id")): _mention(each) for each in annotations}
    keys = {name: [name] for name in mentions} | _concepts(annotations)
    sentences = mention_sentences(text, mentions.values())
    links, related = [], set[tuple[str, str]]()
    for relation in (each for row in rows for each in row.get("relations") or []):
        with checks.record(place):
            infons, ends = relation.get("infons") or {}, _ends(relation)
            for one, other in combinations(ends, 2):
                related.update(product(keys.get(one, []), keys.get(other, [])))
            if len(ends) > 2:
                checks.note("have more than two entities: left out", place, "relation")
                continue
            heads, tails = (keys.get(end, []) for end in ends)
            label = infons.get("type") or infons.get("relation") or ""
            pairs = closest_pairs(mentions, heads, tails, sentences, checks, options, place)
            links += [Link(head, tail, label) for head, tail in pairs]
    return Document(
        str(record.get("id", place)), place, text, mentions, links, sentences, related=related
    )


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


def _concepts(annotations: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the annotations that mention each concept."""
    found: dict[str, list[str]] = {}
    for each in annotations:
        infons = each.get("infons") or {}
        for names in {infons[key] for key in _CONCEPTS if infons.get(key)}:
            for name in re.split(r"[|,;]", names):
                found.setdefault(name, []).append(str(each.get("id")))
    return found


def _ends(relation: Mapping[str, Any]) -> list[str]:
    """Return the names of the entities or concepts that a relation relates, the head first."""
    nodes = relation.get("nodes") or []
    if {"Arg1", "Arg2"} == {node.get("role") for node in nodes}:
        nodes = sorted(nodes, key=lambda node: str(node["role"]))
    if not nodes:
        infons = relation.get("infons") or {}
        return [str(infons.get(key)) for key in ("entity1", "entity2")]
    return [str(node.get("refid")) for node in nodes]
