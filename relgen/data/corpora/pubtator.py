"""PubTator's text format: BioRED, BC5CDR and other corpora of abstracts.

    123|t|The title.
    123|a|The abstract.
    123<TAB>4<TAB>9<TAB>title<TAB>Disease<TAB>D001
    123<TAB>CID<TAB>D002<TAB>D001

A relation relates two concepts, each of which may be mentioned several times:
`concepts.closest_pairs` says which mentions become samples. Title and abstract are joined by one
character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from relgen.common import InputError, read_lines
from relgen.data.corpora.concepts import (
    ConceptRelation,
    concept_document,
    identifiers,
    mentions_of,
)
from relgen.data.corpora.documents import Document, Mention, samples, sentences_within
from relgen.data.corpora.reading import ReadOptions
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks

_REMEDY = "give a PubTator file: PMID|t|title, PMID|a|abstract, annotations separated by tabs"
_TEXT = re.compile(r"[^|\t]+\|[ta]\|(.*)")


@dataclass
class _Abstract:
    """The part of a document that has been read."""

    texts: list[str] = field(default_factory=list)
    mentions: dict[int, Mention] = field(default_factory=dict)
    concepts: dict[str, list[int]] = field(default_factory=dict)
    relations: list[tuple[str, str, str, int]] = field(default_factory=list)

    def add(self, line: str, number: int) -> None:
        cells = [cell.strip() for cell in line.split("\t")]
        if text := _TEXT.fullmatch(line):
            self.texts.append(text[1])
        elif len(cells) >= 5 and cells[1].isdecimal() and cells[2].isdecimal():
            self.mentions[number] = Mention(int(cells[1]), int(cells[2]), cells[4], cells[3])
            for concept in identifiers(cells[5]) if len(cells) > 5 else []:
                self.concepts.setdefault(concept, []).append(number)
        elif len(cells) >= 4 and not cells[1].isdecimal():
            self.relations.append((cells[2], cells[3], cells[1], number))
        else:
            problem = "neither a text, nor a mention or a relation separated by tabs"
            raise InputError(problem, value=line, remedy=_REMEDY)

    def document(self, name: str, place: int) -> Document:
        """Return the document without its relations."""
        text, parts = "", list[tuple[int, int]]()
        for each in self.texts:
            text += " " * bool(parts)
            parts.append((len(text), len(text) + len(each)))
            text += each
        sentences = sentences_within(text, parts, self.mentions.values())
        return Document(name, place, text, self.mentions, (), sentences)


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a file, with ids such as `123-1` by document and relation."""
    checks.remedy = _REMEDY
    lines = ((n, line.rstrip("\r\n")) for n, line in enumerate(read_lines(path), start=1))
    for full, block in groupby(lines, key=lambda each: bool(each[1].strip())):
        if not full:
            continue
        abstract, rows = _Abstract(), list(block)
        place, first = rows[0]
        for number, line in rows:
            with checks.record(number):
                abstract.add(line, number)
        document = abstract.document(re.split(r"[|\t]", first)[0], place)
        relations = []
        for head, tail, label, number in abstract.relations:
            with checks.record(number):
                heads, tails = (mentions_of(each, abstract.concepts) for each in (head, tail))
                relations.append(ConceptRelation(heads, tails, label, number))
        document = concept_document(document, relations, checks, options)
        yield from samples(document, checks, options)
