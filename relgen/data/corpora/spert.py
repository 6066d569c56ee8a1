"""JSON of SpERT (CoNLL04, SciERC, ADE) and of DyGIE++ (SciERC), which count tokens.

    [{"tokens": ["…"], "entities": [{"type": "Org", "start": 0, "end": 2}],
      "relations": [{"type": "Work_For", "head": 0, "tail": 1}], "orig_id": 3}]

`head` and `tail` are numbers of entities; ends are exclusive.

    {"doc_key": "…", "sentences": [["…"]], "ner": [[[0, 1, "Method"]]],
     "relations": [[[0, 1, 5, 6, "USED-FOR"]]]}

Tokens are counted through the document here, and ends are INCLUSIVE. They are joined as in
`relgen.data.corpora.tokens`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from relgen.common import InputError
from relgen.data.corpora.documents import Document, JsonReader, Link
from relgen.data.corpora.reading import well_formed
from relgen.data.corpora.tokens import TokenText
from relgen.data.samples import Entity
from relgen.data.validation import RecordChecks, value_of


def _parse_spert(
    record: Mapping[str, Any], name: str, place: int | str, checks: RecordChecks
) -> Document:
    tokens = TokenText.join(record.get("tokens"), "tokens")

    def entity(row: tuple[int, Mapping[str, Any]]) -> tuple[int, Entity]:
        start, end = (value_of(row[1], key, int) for key in ("start", "end"))
        return row[0], tokens.entity(start, end, field="entities", kind=row[1].get("type"))

    def link(row: Mapping[str, Any]) -> Link:
        return Link(row.get("head"), row.get("tail"), row.get("type") or "")

    entities = dict(well_formed(enumerate(record.get("entities") or []), entity, place, checks))
    links = [*well_formed(record.get("relations") or [], link, place, checks)]
    return _document(name, place, tokens, entities, links, [len(tokens.starts)])


def _parse_dygie(
    record: Mapping[str, Any], name: str, place: int | str, checks: RecordChecks
) -> Document:
    sentences = record.get("sentences")
    if not isinstance(sentences, list) or not all(isinstance(each, list) for each in sentences):
        raise InputError("must be lists of tokens", field="sentences", value=sentences)
    tokens = TokenText.join([token for each in sentences for token in each], "sentences")

    def entity(row: list[Any]) -> tuple[tuple[int, int], Entity]:
        first, last, kind = _checked(row, "ner", 3)
        return (first, last), tokens.entity(first, last + 1, field="ner", kind=kind)

    def link(row: list[Any]) -> Link:
        *ends, label = _checked(row, "relations", 5)
        head, tail = (ends[0], ends[1]), (ends[2], ends[3])
        for end in (head, tail):
            if end not in found:
                found[end] = tokens.entity(end[0], end[1] + 1, field="relations")
        return Link(head, tail, label)

    rows = {key: itertools.chain(*(record.get(key) or [])) for key in ("ner", "relations")}
    found = dict(well_formed(rows["ner"], entity, place, checks))
    links = [*well_formed(rows["relations"], link, place, checks)]
    sizes = itertools.accumulate(len(each) for each in sentences if each)
    key = str(record.get("doc_key", name))
    return _document(key, place, tokens, found, links, list(sizes))


def _document(
    name: str,
    place: int | str,
    tokens: TokenText,
    entities: Mapping[Any, Entity],
    links: list[Link],
    sizes: list[int],
) -> Document:
    """Return a document; `sizes` are the numbers of tokens up to the end of each sentence."""
    firsts = [0, *sizes[:-1]]
    sentences = [
        (tokens.starts[first], tokens.ends[last - 1])
        for first, last in zip(firsts, sizes, strict=True)
    ]
    return Document(name, place, tokens.text, {}, links, sentences, dict(entities))


def _checked(row: list[Any], field: str, size: int) -> list[Any]:
    """Return the token numbers and the label of a row, to which some versions append scores."""
    if len(row) < size or {type(each) for each in row[: size - 1]} != {int}:
        problem = f"must be {size - 1} token numbers and a label"
        raise InputError(problem, field=field, value=row)
    return row[:size]


read_spert: JsonReader = JsonReader("SpERT", _parse_spert, "`relations`")
read_dygie: JsonReader = JsonReader("DyGIE++", _parse_dygie, "`relations`")
