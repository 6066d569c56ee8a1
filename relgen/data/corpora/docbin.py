"""spaCy's DocBin (`.spacy`) with relations in `Doc._.rel`, as its relation component reads them.

`rel` maps the first tokens of two entities to the probability of each label:
`{(0, 5): {"founded_by": 1.0, "works_for": 0.0}}`. Entities are those of `doc.ents`, and of the span
groups (`doc.spans`), which may overlap, where none of `doc.ents` begins. The column `relation`
names another attribute than `rel`. Labels of at least a half count. Sentences are those of the
documents, where they have any. The bin must have been written with `store_user_data=True`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from relgen.common import InputError, no_such_file
from relgen.data.corpora.documents import Document, Link, known_columns, samples
from relgen.data.corpora.reading import ReadOptions, malformed, well_formed
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a file, with ids such as `train-3-1` by document and relation."""
    attribute = known_columns(options, "relation").get("relation", "rel")
    existing = set[str]()
    for number, doc in enumerate(_documents(path), start=1):
        document = None
        existing.update(key[1] for key in doc.user_data if key[::2] == ("._.", None))
        checks.remedy = (
            f"they are read from doc._.{attribute}, if of at least 0.5; its attributes are: "
            f"{', '.join(sorted(existing)) or 'none'}; name one with --columns relation=NAME, or "
            "write it with DocBin(docs=docs, store_user_data=True)"
        )
        with checks.record(f"[{number}]"), malformed("spaCy"):
            name = f"{options.split_name or path.stem}-{number}"
            document = _document(doc, name, f"[{number}]", attribute, checks)
        if document is not None:
            yield from samples(document, checks, options)


def _documents(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise no_such_file(path)
    try:
        import spacy
        from spacy.tokens import DocBin
    except ImportError as error:
        remedy = "pip install 'relgen-re[spacy]'"
        raise InputError("reading a DocBin needs spaCy", path=path, remedy=remedy) from error
    try:
        yield from DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab)
    except (ValueError, TypeError, KeyError, OSError, zlib.error) as error:
        raise InputError(f"not a DocBin: {error}", path=path, remedy="write it again") from error


def _document(doc: Any, name: str, place: str, attribute: str, checks: RecordChecks) -> Document:
    spans = _spans(doc)

    def links(row: tuple[Any, Any]) -> list[Link]:
        pair, labels = row
        if not isinstance(labels, dict) or len(pair) != 2:
            problem = "must map (first token of head, of tail) to {label: probability}"
            raise InputError(problem, field=f"doc._.{attribute}", value={pair: labels})
        if any(len(spans.get(token, ())) > 1 for token in pair):
            remedy = "put the one that is meant into doc.ents"
            problem = "several spans begin at a token"
            raise InputError(problem, field=f"doc._.{attribute}", value=pair, remedy=remedy)
        return [Link(pair[0], pair[1], label) for label, value in labels.items() if value >= 0.5]

    related = doc.user_data.get(("._.", attribute, None, None)) or {}
    found = [*chain(*well_formed(related.items(), links, place, checks))]
    sentences = None
    if doc.has_annotation("SENT_START"):
        sentences = [(each.start_char, each.end_char) for each in doc.sents]
    entities: dict[Any, Entity] = {}
    for token, begun in spans.items():
        entities |= {(token, n) if n else token: each for n, each in enumerate(begun)}
    return Document(name, place, doc.text, {}, found, sentences, entities)


def _spans(doc: Any) -> dict[int, list[Entity]]:
    """Return the entities that begin at each token: that of `doc.ents`, or those of span groups."""
    found = {each.start: {(each.start, each.end): each} for each in doc.ents}
    entered = set(found)
    for each in (span for group in doc.spans.values() for span in group):
        if each.start not in entered:
            found.setdefault(each.start, {}).setdefault((each.start, each.end), each)
    return {
        token: [
            Entity(each.start_char, each.end_char, each.label_ or None) for each in ends.values()
        ]
        for token, ends in found.items()
    }
