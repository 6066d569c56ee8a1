"""Documents with entities and relations between them, as annotation tools export them.

Each relation becomes a sample. Its text reaches from the sentence of one entity to that of the
other: one sentence as a rule; where a relation crosses sentences, those between are kept, which is
counted. The document's name is the samples' `group`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from relgen.common import InputError, suggestion
from relgen.data.corpora.reading import ReadOptions, json_records, malformed
from relgen.data.corpora.units import entity_at
from relgen.data.samples import Entity, Sample
from relgen.data.sentences import sentence_spans
from relgen.data.validation import RecordChecks

Key = TypeVar("Key", bound=Hashable)
Related = tuple[Sequence[Any], Sequence[Any]]
"""The keys of entities of which each one on the left is related to each one on the right."""
_DIFFER = "have annotations that differ: the most frequent counts, or else the first with relations"


class Mention(NamedTuple):
    """An annotated entity: its span in the tool's unit, its type, and its text if that is known."""

    start: int
    end: int
    type: str | None = None
    text: str | None = None


class Link(NamedTuple):
    """A relation between the entities of two keys, and where it is in the file."""

    head: Hashable
    tail: Hashable
    label: str
    place: int | str | None = None


@dataclass(frozen=True)
class Document:
    """A text with its entities by key.

    Args:
        place: where the document is in the file.
        sentences: where its sentences are; by default they are looked for.
        entities: those that were asked for so far, in characters.
        related: what is related by annotations that are no `links`.
        group: what its samples belong to; by default the document itself.
        task: what annotators were shown: documents with the same task are answers to it.
    """

    name: str
    place: int | str
    text: str
    mentions: Mapping[Any, Mention]
    links: Sequence[Link]
    sentences: Sequence[tuple[int, int]] | None = None
    entities: dict[Any, Entity] = field(default_factory=dict)
    related: Sequence[Related] = ()
    group: str | None = None
    task: Hashable = None

    def entity(self, key: Hashable, checks: RecordChecks, options: ReadOptions) -> Entity:
        """Return the entity of a key, in characters of the text."""
        if key in self.entities:
            return self.entities[key]
        if key not in self.mentions:
            remedy = "mark it in the document, or remove the relation"
            raise InputError("no such entity", field="relation", value=key, remedy=remedy)
        start, end, given, text = self.mentions[key]
        kind = None if given is None else str(given)
        entity, other = entity_at(
            self.text, start, end, text, unit=options.offsets, kind=kind, field=f"entity {key}"
        )
        if other is not None:
            what = f"have offsets that count {other}: converted"
            checks.note(what, self.place, "mention")
        self.entities[key] = entity
        return entity


def majority_answer(answers: Sequence[Document], checks: RecordChecks) -> Document:
    """Return the answer to a task with the most frequent relations, or else the first with any."""

    def related(answer: Document) -> Hashable:
        ends = {key: (mention.start, mention.end) for key, mention in answer.mentions.items()}
        return frozenset((ends.get(x.head), ends.get(x.tail), str(x.label)) for x in answer.links)

    said = [related(answer) for answer in answers]
    counts = Counter(said)
    if len(counts) > 1:
        checks.note(_DIFFER, answers[0].place)
    ranks = [(counts[one], bool(answer.links)) for one, answer in zip(said, answers, strict=True)]
    return answers[ranks.index(max(ranks))]


Parse = Callable[[Mapping[str, Any], str, int | str, RecordChecks], Document | None]
"""Returns the document of a record, from a name for it and its place; None if it is left out."""


def known_columns(options: ReadOptions, *known: str) -> Mapping[str, str]:
    """Return the columns of the options. Raise InputError for keys that a format does not know."""
    columns = options.columns or {}
    if unknown := columns.keys() - set(known):
        remedy = f"this format takes {' and '.join(known)}"
        raise InputError("unknown key", field="columns", value=min(unknown), remedy=remedy)
    return columns


@dataclass(frozen=True, slots=True)
class JsonReader:
    """Reads a format with a JSON object for each document.

    `where` says in what a record holds its relations, for a file that has none.
    The columns `text` and `group` name other fields of a record, of its `data` or of its `meta`.
    """

    form: str
    parse: Parse
    where: str

    def __call__(self, path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
        """Yield the samples of a file (see `reading.Reader`)."""
        stem, columns = options.split_name or path.stem, known_columns(options, "text", "group")
        keys, answers = dict[str, None](), dict[Hashable, list[Document]]()
        for place, record in json_records(path):
            document = None
            with checks.record(place), malformed(self.form):
                if isinstance(record, InputError):
                    raise record
                keys |= dict.fromkeys(record)
                checks.remedy = (
                    f"they are read from {self.where}; keys that exist: {', '.join(keys)}"
                )
                if "text" in columns:
                    record = _with_text(record, columns["text"])
                parsed = self.parse(record, f"{stem}-{str(place).strip('[]')}", place, checks)
                if parsed is not None and "group" in columns:
                    group = str(_holder(record, columns["group"])[columns["group"]])
                    parsed = replace(parsed, group=group)
                document = parsed  # nothing of a record with an error
            if document is not None and document.task is not None:
                answers.setdefault(document.task, []).append(document)
            elif document is not None:
                yield from samples(document, checks, options)
        for task in answers.values():
            yield from samples(majority_answer(task, checks), checks, options)

    def read_task(
        self, record: Mapping[str, Any], name: str, checks: RecordChecks, *, whole: bool
    ) -> list[Sample]:
        """Return the samples of one record, with ids such as `NAME-1`; `whole` ones have its text.

        What is wrong with the record, or is said of it, is collected under the name.
        """
        document = None
        with checks.record(name), malformed(self.form):
            if (document := self.parse(record, name, name, checks)) is not None:
                sentences = [(0, len(document.text))] if whole else None
                document = replace(document, name=name, sentences=sentences)
        return [] if document is None else list(samples(document, checks, ReadOptions()))


def _holder(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the record, its `data` or its `meta`, whichever has a field."""
    holders = [record, record.get("data"), record.get("meta")]
    named = [each for each in holders if isinstance(each, dict)]
    for each in named:
        if each.get(name) is not None:
            return each
    available = [key for each in named for key in each]
    remedy = suggestion(name, available, f"its fields: {', '.join(available)}")
    raise InputError("no such field", field="columns", value=name, remedy=remedy)


def _with_text(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a record whose `text` is another field of it, where the format has its text."""
    text = _holder(record, name)[name]
    inside = record.get("data")
    if isinstance(inside, dict):
        return {**record, "data": {**inside, "text": text}}
    return {**record, "text": text}


class _Pair(NamedTuple):
    head: Entity
    tail: Entity
    label: str
    place: int | str


def samples(document: Document, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield a sample for each relation of a document, with ids such as `NAME-1`.

    With `options.negative`, the other pairs of entities of one sentence follow under that label;
    a file of these alone counts as one without relations.
    """
    pairs, related = [], [*document.related]
    for link in document.links:
        place = document.place if link.place is None else link.place
        with checks.record(place), malformed("the tool"):
            head, tail = (document.entity(key, checks, options) for key in (link.head, link.tail))
            related.append(([link.head], [link.tail]))
            if not (label := str(link.label or "").strip()):
                remedy = "give it one in the tool, or remove the relation"
                raise InputError("a relation without a label", field="relation", remedy=remedy)
            pairs.append(_Pair(head, tail, label, place))
    if options.negative is not None:
        for key in document.mentions:
            with checks.record(document.place):
                document.entity(key, checks, options)
    # no sentence ends inside an entity
    entities = sorted(document.entities.values(), key=lambda entity: entity.span)
    sentences = document.sentences or sentence_spans(document.text, entities) or [(0, 0)]
    annotated = len(pairs)
    said = [document.entities.get(key) for key, each in document.mentions.items() if each.text]
    confirmed = {entity.span for entity in said if entity is not None}
    if options.negative is not None:
        pairs += _unrelated(document, entities, sentences, related, options.negative)
    for number, pair in enumerate(pairs, start=1):
        with checks.record(pair.place):
            begin, end, crossed = _around(sentences, pair)
            if crossed:
                what = "cross sentences; the text holds all from one to the other"
                checks.note(what, pair.place, "relation")
            head, tail = pair.head.counted_from(begin), pair.tail.counted_from(begin)
            name, text = f"{document.name}-{number}", document.text[begin:end]
            sample = Sample(
                name, text, head, tail, pair.label, group=document.group or document.name
            )
            if checks.passes(
                name,
                pair.place,
                counts=number <= annotated,
                confirmed=confirmed >= {pair.head.span, pair.tail.span},
            ):
                yield sample


def sentence_number(sentences: Sequence[tuple[int, int]], place: int) -> int:
    """Return the number of the sentence that holds a place, or the last one before it."""
    return max(0, bisect_right(sentences, place, key=lambda span: span[0]) - 1)


def _around(sentences: Sequence[tuple[int, int]], pair: _Pair) -> tuple[int, int, bool]:
    """Return the span of the sentences that hold a pair, and whether they are several."""
    begin, end = min(pair.head.start, pair.tail.start), max(pair.head.end, pair.tail.end)
    first, last = sentence_number(sentences, begin), sentence_number(sentences, end - 1)
    return min(begin, sentences[first][0]), max(end, sentences[last][1]), first < last


def _unrelated(
    document: Document,
    entities: Sequence[Entity],
    sentences: Sequence[tuple[int, int]],
    related: Iterable[Related],
    label: str,
) -> Iterator[_Pair]:
    """Yield the pairs of one sentence between which there is no relation, in the text's order."""
    spans = {key: entity.span for key, entity in document.entities.items()}
    # the numbers of the relations on whose left, and on whose right, an entity is
    left, right = defaultdict[Any, set[int]](set), defaultdict[Any, set[int]](set)
    for number, sides in enumerate(related):
        for keys, at in zip(sides, (left, right), strict=True):
            for key in keys:
                at[spans.get(key)].add(number)
    for _, together in groupby(entities, key=lambda each: sentence_number(sentences, each.start)):
        for head, tail in combinations(together, 2):
            one, other = head.span, tail.span
            apart = left[one].isdisjoint(right[other]) and right[one].isdisjoint(left[other])
            if one != other and apart:
                yield _Pair(head, tail, label, document.place)


def sentences_within(
    text: str, parts: Iterable[tuple[int, int]], mentions: Iterable[Mention]
) -> list[tuple[int, int]]:
    """Return where the sentences of a text are.

    None ends inside a mention, nor goes on in another part, such as from a title to an abstract.
    """
    entities = sorted((Entity(each.start, each.end) for each in mentions), key=lambda e: e.start)
    found = []
    for begin, end in parts:
        first, last = (bisect_left(entities, at, key=lambda e: e.start) for at in (begin, end))
        inside = [entity.counted_from(begin) for entity in entities[first:last]]
        spans = sentence_spans(text[begin:end], inside)
        found += [(begin + start, begin + stop) for start, stop in spans]
    return found
