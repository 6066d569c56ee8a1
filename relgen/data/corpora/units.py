"""Offsets that count something else than characters, and how they become characters.

Tools count bytes, as browsers UTF-16 units (an emoji is two), a Windows line break as one character
where the text has two, or the reverse; some ends are inclusive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, get_args

from relgen.common import InputError, statement
from relgen.data.samples import Entity, Sample
from relgen.data.text import find_mentions, normalised

Unit = Literal["characters", "bytes", "utf16", "newline", "crlf", "inclusive"]
UNITS: tuple[Unit, ...] = get_args(Unit)
_NEARLY_ALL = 0.9
_MANY = 100
NAMES = {
    "bytes": "bytes (UTF-8)",
    "utf16": "UTF-16 units",
    "newline": "a Windows line break as one character",
    "crlf": "each line break as two characters",
    "inclusive": "inclusive ends",
}


def tight(text: str) -> str:
    """Return a text without white space."""
    return "".join(text.split())


def caseless(text: str) -> str:
    """Return a text without white space and case."""
    return tight(text).casefold()


def in_characters(text: str, unit: Unit, start: int, end: int) -> tuple[int, int] | None:
    """Return a span of another unit in characters; None if a place is inside a character."""
    if unit in ("characters", "inclusive"):
        return start, end + (unit == "inclusive")
    places = _places(text, unit)
    return (places[start], places[end]) if start in places and end in places else None


def in_utf16(text: str, entity: Entity) -> tuple[int, int]:
    """Return the span of an entity in UTF-16 units."""
    start, end = (
        len(text[:place].encode("utf-16-le")) // 2 for place in (entity.start, entity.end)
    )
    return start, end


@lru_cache(maxsize=8)  # a document has many entities
def _places(text: str, unit: Unit) -> dict[int, int]:
    """Return the character that begins at each place of a unit."""
    sizes: dict[Unit, Callable[[int, str], int]] = {
        "bytes": lambda _, character: len(character.encode("utf-8", "surrogatepass")),
        "utf16": lambda _, character: 1 + (character > "\uffff"),
        "newline": lambda place, _: 1 - text.startswith("\r\n", place),
        "crlf": lambda place, character: (
            1 + (character == "\n" and text[place - 1 : place] != "\r")
        ),
    }
    places: dict[int, int] = {}
    counted = accumulate((sizes[unit](*each) for each in enumerate(text)), initial=0)
    for place, number in enumerate(counted):
        places.setdefault(number, place)
    return places


def entity_at(
    text: str,
    start: int,
    end: int | None,
    mention: str | None = None,
    *,
    unit: Unit = "characters",
    kind: str | None = None,
    field: str,
) -> tuple[Entity, str | None]:
    """Return an entity by its offsets, and the name of the unit if it is another than said.

    Without `end` it is as long as the mention. Where a mention is given and not at the offsets,
    they are read in each of the other units, and as inclusive. It may differ in white space and
    case.

    Raises:
        InputError: the mention is not at the offsets in any unit, or a place is inside a character.
    """

    def place_in(unit: Unit) -> tuple[int, int] | None:
        if end is not None or mention is None:
            return in_characters(text, unit, start, start if end is None else end)
        place = in_characters(text, unit, start, start)
        return place and (place[0], place[0] + len(mention))

    span = place_in(unit)
    if mention is None:
        if span is None:
            raise InputError(
                f"no place of the text in {NAMES[unit]}", field=field, value=[start, end]
            )
        return Entity(*span, kind), None
    for form, others in ((tight, UNITS), (caseless, UNITS), (normalised, ())):
        for each in (unit, *others):
            place = place_in(each)
            if place is not None and form(text[slice(*place)]) == form(mention) != "":
                return Entity(*place, kind), None if each == unit else NAMES.get(each, each)
    found = f"'{text[slice(*span)]}'" if span else "none"
    problem = f"the characters at its offsets are {found}"
    places = sorted(find_mentions(text, mention), key=lambda place: abs(place[0] - start))
    guess = ", ".join(f"[{first}, {last}]" for first, last in places[:3])
    remedy = f"it is in the text at {guess}" if places else "it is nowhere in the text"
    raise InputError(problem, field=field, value=mention, remedy=remedy)


def in_unit(sample: Sample, unit: Unit) -> Sample | None:
    """Return a sample with its offsets read in another unit, or None where that gives none."""
    entities = []
    for entity in (sample.head, sample.tail):
        span = in_characters(sample.text, unit, entity.start, entity.end)
        if span is None:
            return None
        entities.append(Entity(*span, entity.type))
    try:
        return replace(sample, head=entities[0], tail=entities[1])
    except InputError:
        return None


class DoubtfulOffsets:
    """Counts samples with an entity that begins or ends inside a word or with white space.

    Also counts which of them would begin and end at words in another unit, and how many samples
    that unit would change, and leave right. Where something else confirms offsets, no unit is
    looked for.
    """

    def __init__(self) -> None:
        self.count = self._total = self._unconfirmed = 0
        self._first = ""
        self._fits, self._changed, self._right = (Counter[Unit]() for _ in range(3))

    def look_at(self, sample: Sample, *, confirmed: bool) -> None:
        """Count a sample."""
        self._total += 1
        if cut := _is_cut(sample):
            self._first = self._first or f"{sample.id}: '{sample.head_text}', '{sample.tail_text}'"
            self.count += 1
        if confirmed:
            return
        self._unconfirmed += cut
        for unit in _differing(sample.text):
            other = in_unit(sample, unit)
            if other != sample:
                self._changed[unit] += 1
                if other is not None and not _is_cut(other):
                    self._right[unit] += 1
                    self._fits[unit] += cut

    def refuse(self, place: str | Path) -> None:
        """Raise InputError where nearly all fit another unit, which leaves the others right.

        A single one of many samples may be cut on purpose.
        """
        if self._unconfirmed == 1 and self._total > _MANY:
            return
        for unit, number in self._fits.most_common():
            right = self._right[unit] >= _NEARLY_ALL * self._changed[unit]
            if right and number >= max(1, _NEARLY_ALL * self._unconfirmed):
                remedy = f"give --offsets {unit}, or --offsets characters to keep them as they are"
                raise InputError(str(self), path=place, remedy=remedy)

    def __str__(self) -> str:
        guess = "".join(
            f"; {number} of them do not with --offsets {unit}"
            for unit, number in self._fits.most_common(1)
            if number
        )
        return (
            f"{statement(self.count, 'sample', 'have')} an entity that begins or ends inside a "
            f"word or with white space, the first {self._first}. Offsets count characters (code "
            "points), not bytes or UTF-16 units, and both characters of a Windows line break; ends "
            f"are exclusive{guess}"
        )


def _differing(text: str) -> list[Unit]:
    """Return the units of which offsets in a text may differ from characters."""
    units: list[Unit] = ["inclusive"]
    units += [] if text.isascii() else ["bytes", "utf16"]
    return units + (["newline", "crlf"] if "\n" in text else [])


def _is_cut(sample: Sample) -> bool:
    mentions = (sample.head_text, sample.tail_text)
    return sample.splits_words() or any(mention != mention.strip() for mention in mentions)


def row_in_characters(row: Any, unit: Unit) -> Any:
    """Return a line of a samples file with its offsets, of another unit, in characters.

    Lines that are none are returned unchanged.
    """
    if unit == "characters" or not isinstance(row, dict) or not isinstance(row.get("text"), str):
        return row
    changed = dict(row)
    for role in ("head", "tail"):
        match row.get(role):
            case {"start": int(start), "end": int(end), **others}:
                entity, _ = entity_at(row["text"], start, end, unit=unit, field=role)
                changed[role] = {"start": entity.start, "end": entity.end, **others}
    return changed
