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
from relgen.data.corpora.tokens import TokenText
from relgen.data.samples import Entity
from relgen.data.validation import RecordChecks, value_of


def _parse_spert(
    record: Mapping[str, Any], name: str, place: int | str, checks: RecordChecks
) -> Document:
    tokens = TokenText.join(record.get("tokens"), "tokens")
    entities = {
        number: tokens.entity(
            value_of(each, "start", int),
            value_of(each, "end", int),
            field="entities",
            kind=each.get("type"),
        )
        for number, each in enumerate(record.get("entities") or [])
    }
    links = [
        Link(each.get("head"), each.get("tail"), each.get("type") or "")
        for each in record.get("relations") or []
    ]
    return _document(name, place, tokens, entities, links, [len(tokens.starts)])


def _parse_dygie(
    record: Mapping[str, Any], name: str, place: int | str, checks: RecordChecks
) -> Document:
    sentences = record.get("sentences")
    if not isinstance(sentences, list) or not all(isinstance(each, list) for each in sentences):
        raise InputError("must be lists of tokens", field="sentences", value=sentences)
    tokens = TokenText.join([token for each in sentences for token in each], "sentences")
    found: dict[tuple[int, int], Entity] = {}
    for *span, kind in _flat(record, "ner", 3):
        found[span[0], span[1]] = tokens.entity(span[0], span[1] + 1, field="ner", kind=kind)
    links = []
    for *spans, label in _flat(record, "relations", 5):
        ends = [(spans[0], spans[1]), (spans[2], spans[3])]
        for start, end in ends:
            if (start, end) not in found:
                found[start, end] = tokens.entity(start, end + 1, field="relations")
        links.append(Link(ends[0], ends[1], label))
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


def _flat(record: Mapping[str, Any], key: str, size: int) -> list[list[Any]]:
    """Return what a document has for each sentence in one list, checked."""
    rows = [each for sentence in record.get(key) or [] for each in sentence]
    for row in rows:
        # some versions append scores
        if len(row) < size or {type(each) for each in row[: size - 1]} != {int}:
            problem = f"must be {size - 1} token numbers and a label"
            raise InputError(problem, field=key, value=row)
    return [row[:size] for row in rows]


read_spert: JsonReader = JsonReader("SpERT", _parse_spert, "`relations`")
read_dygie: JsonReader = JsonReader("DyGIE++", _parse_dygie, "`relations`")
