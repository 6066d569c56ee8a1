"""DrugProt's and ChemProt's tables: a folder with abstracts, entities and relations.

    …_abstracts.tsv     PMID<TAB>title<TAB>abstract                      DrugProt spells it abstracs
    …_entities.tsv      PMID<TAB>T1<TAB>CHEMICAL<TAB>4<TAB>9<TAB>mention
    …_relations.tsv     PMID<TAB>INHIBITOR<TAB>Arg1:T1<TAB>Arg2:T2       DrugProt
                        PMID<TAB>CPR:4<TAB>Y<TAB>INHIBITOR<TAB>Arg1:T1<TAB>Arg2:T2      ChemProt

Title and abstract are joined by one character. ChemProt's labels are its groups (CPR:4); those that
its evaluation leaves out (N) are counted and left out. Of several sets in a folder, `split_name` (a
part of the files' names) chooses one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from relgen.common import InputError, read_lines
from relgen.data.corpora.documents import (
    Document,
    Link,
    Mention,
    Related,
    samples,
    sentences_within,
)
from relgen.data.corpora.reading import ReadOptions
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks

Value = TypeVar("Value")
_REMEDY = "give the folder with …_abstracts.tsv, …_entities.tsv and …_relations.tsv"


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a folder, with ids such as `123-1` by document and relation."""
    checks.remedy = _REMEDY
    texts: dict[str, tuple[str, list[tuple[int, int]]]] = {}
    mentions: dict[str, dict[str, Mention]] = {}
    links: dict[str, list[Link]] = {}
    related: dict[str, list[Related]] = {}
    for _, (key, title, abstract) in _rows(path, "abstrac", (3,), checks, options):
        text = f"{title} {abstract}"
        texts[key] = text, [(0, len(title)), (len(title) + 1, len(text))]
        mentions[key], links[key], related[key] = {}, [], []
    for number, (key, name, kind, start, end, text) in _rows(
        path, "entities", (6,), checks, options
    ):
        with checks.record(number):
            if not start.isdecimal() or not end.isdecimal():
                raise InputError("must be whole numbers", field="offsets", value=[start, end])
            _of(mentions, key)[name] = Mention(int(start), int(end), kind, text)
    for number, (key, label, *others) in _rows(path, "relations", (4, 6), checks, options):
        with checks.record(number):
            ends = [each.rpartition(":")[2].strip() for each in others[-2:]]
            _of(related, key).append(([ends[0]], [ends[1]]))
            if others[0].strip() == "N":
                what = "are not evaluated in ChemProt (N): left out"
                checks.note(what, number, "relation")
                continue
            _of(links, key).append(Link(ends[0], ends[1], label, number))
    for key, (text, parts) in texts.items():
        sentences = sentences_within(text, parts, mentions[key].values())
        document = Document(
            key, key, text, mentions[key], links[key], sentences, related=related[key]
        )
        yield from samples(document, checks, options)


def _rows(
    folder: Path, part: str, widths: tuple[int, ...], checks: RecordChecks, options: ReadOptions
) -> Iterator[tuple[int, list[str]]]:
    """Yield the numbered rows of a part's one file, which later errors name."""
    files = [each for each in sorted(folder.glob("*.tsv")) if part in each.name.lower()]
    files = [each for each in files if (options.split_name or "") in each.name]
    if len(files) != 1:
        names = ", ".join(each.name for each in files) or "none"
        problem = f"one file of {part}… is needed, here are: {names}"
        remedy = "choose a set with --split-name training" if files else _REMEDY
        raise InputError(problem, path=folder, remedy=remedy)
    checks.path = files[0]
    for number, line in enumerate(read_lines(files[0]), start=1):
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) in widths:
            yield number, cells
        elif line.strip():
            with checks.record(number):
                wanted = " or ".join(map(str, widths))
                raise InputError(f"must have {wanted} columns, separated by tabs", value=line)


def _of(rows: dict[str, Value], key: str) -> Value:
    if key not in rows:
        raise InputError("no abstract has this number", field="PMID", value=key)
    return rows[key]
