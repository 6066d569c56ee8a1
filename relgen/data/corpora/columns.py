"""Rows of a table with a column for each part of a sample: which column is which, and the samples.

`columns` maps the keys below to the columns of the data:

    text=sentence       a text; with <e1>…</e1> and <e2>…</e2>, or <head>…</head> and <tail>…</tail>
                        when head and tail are not given
    tokens=token        or a list of tokens, joined by single spaces
    relation=label      optional: a text or a class label; without it, samples have no relation
    head=h, tail=t      the mention itself, which is looked for in the text unless `head_start` and
                        `tail_start` are columns, too; or {"start", "end"}, {"pos": [start, end]} or
                        [start, end], ends exclusive; characters of the text, or tokens when
                        `tokens` is given; or, as in KLUE-RE, {"word", "start_idx", "end_idx"} with
                        inclusive ends. A mention beside its offsets (`word`, `text` or `name` of a
                        mapping) must agree with them
    head_start, head_end, head_type, tail_start, tail_end, tail_type
                        where a mention begins and ends, and its type
    id=guid, group=doc  optional: a name, and what must not be split (a document, a patient)

A key that is not given defaults to the column of the same name. An id that several rows have, such
as that of their sentence, becomes `7`, `7-2`, `7-3`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from relgen.common import InputError, suggestion
from relgen.data.corpora.reading import ReadOptions, malformed, offsets, whole_number
from relgen.data.corpora.semeval import parse_tagged
from relgen.data.corpora.tokens import TokenText, named_in
from relgen.data.corpora.units import entity_at
from relgen.data.samples import UNLABELLED, Entity, Sample
from relgen.data.tagged_text import MarkupError, parse
from relgen.data.text import find_mentions
from relgen.data.validation import AlikeError, RecordChecks

_PARTS = tuple(f"{role}_{part}" for role in ("head", "tail") for part in ("start", "end", "type"))
KEYS = ("text", "tokens", "relation", "head", "tail", *_PARTS, "id", "group")
NAME_COLUMNS = "name the columns with --columns text=…,head=…,tail=…,relation=…"
_AMBIGUOUS = {
    "first": "have mentions that occur several times; the first were taken",
    "all-pairs": "have mentions that occur several times; every pair became a sample",
    "skip": "were left out, since mentions occur several times",
}
_OTHERWISE = "have mentions with other quotation marks, dashes or spaces than the text: found"
Row = tuple[int | str, str, Mapping[str, Any] | InputError]
"""Where a row is, a name for it, and its values by column, or why it has none."""


class _Given(NamedTuple):
    """An entity as a row gives it: its mention, its span, or both."""

    mention: str | None
    span: list[Any] | None  # its end is None where only its start is given
    kind: str | None


class RowReader:
    """Reads samples from the rows of one table.

    Args:
        columns: the names of the table's columns.
        checks: those of the file.
        options: `columns`, `ambiguous`, `offsets` and `labelled` count.
        known: the columns of a known table, where the options name none.
    """

    def __init__(
        self,
        columns: Sequence[str],
        checks: RecordChecks,
        options: ReadOptions,
        *,
        known: Mapping[str, str] | None = None,
    ) -> None:
        self.checks, self.options = checks, options
        self._uses = Counter[str]()
        self.names: Sequence[str] | None = None
        """The class labels that numbers in the column of the relation stand for."""
        given = options.columns or {k: v for k, v in (known or {}).items() if v in columns}
        self.where = _resolve(given, columns, checks.path)
        unread = [each for each in columns if each and each not in self.where.values()]
        if options.labelled and "relation" not in self.where and unread:
            checks.doubts.append(
                f"{checks.path}: no column is the relation, so that samples have none; if one of "
                f"{', '.join(unread)} is, name it: --columns relation=…"
            )

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """Yield the samples of the rows; one whose mentions are ambiguous may give several."""
        for place, name, row in rows:
            with self.checks.record(place), malformed("a table"):
                if isinstance(row, InputError):
                    raise row
                # in Parquet, empty cells among numbers may be NaN
                row = {key: None if value != value else value for key, value in row.items()}
                own = self._value(row, "id")
                own_id = None if own in (None, "") else str(own)
                found, confirmed = self._parse(row, place)
                for turn, sample in enumerate(found, start=1):
                    sample_id = (own_id or name) + (f"-{turn}" if len(found) > 1 else "")
                    if own_id:
                        sample_id = self._unused(sample_id, place)
                    if self.checks.passes(None, place, confirmed=confirmed):
                        yield replace(sample, id=sample_id)

    def _unused(self, sample_id: str, place: int | str) -> str:
        """Return an id, with a number where an earlier sample has it."""
        self._uses[sample_id] += 1
        if (turn := self._uses[sample_id]) == 1:
            return sample_id
        self.checks.note("have the id of an earlier one: a number was added to it", place)
        return self._unused(f"{sample_id}-{turn}", place)

    def _parse(self, row: Mapping[str, Any], place: int | str) -> tuple[list[Sample], bool]:
        """Return the samples of a row, and whether not only offsets say where mentions are."""
        relation, group = self._relation(row), self._value(row, "group")
        listed = self._value(row, "tokens")
        tokens = None if listed is None else TokenText.join(listed, "tokens")
        text = self._value(row, "text") if tokens is None else tokens.text
        if not isinstance(text, str):
            raise InputError("must be a string", field="text", value=text)
        confirmed = True
        if self.where.keys().isdisjoint({"head", "head_start"}):
            text, *pair = _tagged(text)
            pairs = [(pair[0], pair[1])]
        else:
            given = {role: _given(row, self.where, role, text) for role in ("head", "tail")}
            confirmed = all(each.mention for each in given.values())
            heads, tails = (
                self._entities(each, role, text, tokens, place) for role, each in given.items()
            )
            pairs = self._chosen(text, heads, tails, place)
        group = None if group in (None, "") else str(group)
        found = [Sample("", text, head, tail, relation, group=group) for head, tail in pairs]
        return found, confirmed

    def _value(self, row: Mapping[str, Any], key: str) -> Any:
        return row.get(self.where[key]) if key in self.where else None

    def _relation(self, row: Mapping[str, Any]) -> str:
        relation = self._value(row, "relation")
        blank = relation is None or not str(relation).strip() or relation == -1
        if "relation" not in self.where or (blank and not self.options.labelled):
            return UNLABELLED
        if blank and relation != -1:
            remedy = "fill it in, or leave such records out: relgen data convert --skip-bad"
            raise AlikeError("must not be empty", field="relation", value=relation, remedy=remedy)
        if self.names is not None and isinstance(relation, int) and 0 <= relation < len(self.names):
            relation = self.names[relation]
        if not isinstance(relation, str):
            raise InputError("must be a string or a class label", field="relation", value=relation)
        return relation.strip()

    def _entities(
        self, given: _Given, role: str, text: str, tokens: TokenText | None, place: int | str
    ) -> list[Entity]:
        """Return the entity of a role, or all places where its mention may be meant."""
        mention, span, kind = given
        if span is None:
            if not mention:
                raise InputError("no mention and no offsets", field=role, value=mention)
            found = find_mentions(text, mention)
            if not found:
                remedy = f"write it as it stands in the text{_spelt(text, mention)}"
                raise InputError("is not in the text", field=role, value=mention, remedy=remedy)
            written = (unicodedata.normalize("NFC", text[slice(*each)]) for each in found)
            if unicodedata.normalize("NFC", mention) not in written:
                self.checks.note(_OTHERWISE, place)
            return [Entity(*each, kind) for each in found]
        endless = tokens is None and mention and isinstance(span, list) and span[1:] == [None]
        start, end = offsets(span[:1] * 2 if endless else span, role)
        unit = self.options.offsets
        if tokens is not None:
            entity, other = tokens.entity_at(
                start, end, mention or None, unit=unit, field=role, kind=kind
            )
        else:
            stop = None if endless else end
            entity, other = entity_at(text, start, stop, mention, unit=unit, kind=kind, field=role)
        if other is not None:
            self.checks.note(f"have offsets that count {other}: converted", place)
        return [entity]

    def _chosen(
        self, text: str, heads: Sequence[Entity], tails: Sequence[Entity], place: int | str
    ) -> list[tuple[Entity, Entity]]:
        """Return the pair of a row, or what `ambiguous` asks for where there are several.

        A mention inside the other one counts only if it is nowhere else.
        """
        pairs = list(product(heads, tails))
        pairs = [(h, t) for h, t in pairs if h.end <= t.start or t.end <= h.start] or pairs
        if len(pairs) == 1:
            return pairs
        if self.options.ambiguous is None:
            role, several = max((("head", heads), ("tail", tails)), key=lambda each: len(each[1]))
            starts = ", ".join(str(entity.start) for entity in several)
            raise InputError(
                f"occurs {len(several)} times in the text, at {starts}",
                field=role,
                value=text[several[0].start : several[0].end],
                remedy=(
                    f"name a column {role}_start=…, or say which is meant: "
                    "relgen data convert --ambiguous first|all-pairs|skip"
                ),
            )
        self.checks.note(_AMBIGUOUS[self.options.ambiguous], place)
        return {"first": pairs[:1], "all-pairs": pairs, "skip": []}[self.options.ambiguous]


def _resolve(
    columns: Mapping[str, str], available: Sequence[str], path: str | Path
) -> Mapping[str, str]:
    for key, column in columns.items():
        if key not in KEYS:
            remedy = suggestion(key, KEYS, f"use one of {', '.join(KEYS)}")
            raise InputError("unknown key", field="columns", value=key, remedy=remedy)
        if column not in available:
            remedy = suggestion(column, available, f"its columns: {', '.join(available)}")
            field = f"columns.{key}"
            raise InputError("no such column", path=path, field=field, value=column, remedy=remedy)
    where = {key: columns.get(key, key) for key in KEYS if key in columns or key in available}
    if "id" not in columns and "id" in columns.values():  # it is the group
        del where["id"]
    if where.keys().isdisjoint(("text", "tokens")):
        problem = f"no column for text or tokens in the first row: {', '.join(available)}"
        raise InputError(problem, path=path, remedy=NAME_COLUMNS)
    heads, tails = (where.keys() & {role, f"{role}_start"} for role in ("head", "tail"))
    if bool(heads) != bool(tails):
        problem = f"no column for {'tail' if heads else 'head'} among {', '.join(available)}"
        raise InputError(problem, path=path, remedy=NAME_COLUMNS)
    return where


def _given(row: Mapping[str, Any], where: Mapping[str, str], role: str, text: str) -> _Given:
    value, start, end, kind = (
        row.get(where[key]) if key in where else None
        for key in (role, f"{role}_start", f"{role}_end", f"{role}_type")
    )
    mention = value.strip() if isinstance(value, str) else None
    if isinstance(value, Mapping):
        words, name = value.get("word", value.get("text")), value.get("name")
        kind = value.get("type", kind)
        if isinstance(value.get("end_idx"), int):
            value = [value.get("start_idx"), value["end_idx"] + 1]
        else:
            span = [value.get("start"), value.get("end")]
            value = value.get("pos", None if span == [None, None] else span)
        mention = words or (name if value is None else named_in(text, name))
    start, end = whole_number(start, f"{role}_start"), whole_number(end, f"{role}_end")
    if start is not None:
        if end is None and not mention:
            remedy = f"name columns with --columns {role}=…, or {role}_end=…"
            raise InputError("no mention and no end", field=role, value=start, remedy=remedy)
        value = [start, end]
    kind = str(kind) if kind else None
    return _Given(mention, None if value is None or isinstance(value, str) else value, kind)


def _spelt(text: str, mention: str) -> str:
    """Return how a text writes a mention that differs in case, for a message."""
    places = find_mentions(text.lower(), mention.lower())
    return f": '{text[slice(*places[0])]}'" if places else ""


def _tagged(text: str) -> tuple[str, Entity, Entity]:
    if "<head" not in text and "<e1>" not in text:
        raise AlikeError(
            "neither columns for head and tail, nor tags in the text", remedy=NAME_COLUMNS
        )
    if "<head" not in text:
        return parse_tagged(text)
    try:
        return parse(text)
    except MarkupError as error:
        problem = f"the tags cannot be parsed ({error.reason})"
        raise InputError(problem, field="text", value=text) from error
