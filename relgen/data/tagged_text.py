"""Tagged text: a sample as one line, which a language model reads and writes.

    <head>Inflammation</head> of the lung led to <tail>fever</tail>.

`render` and `parse` are inverses. In the text between tags `<`, `>` and line breaks are written as
`&lt;`, `&gt;`, `&#10;` and `&#13;`; an ampersand is escaped only where it would look like one of
these. With `types=True` a tag holds the entity's type: `<head:PERSON>Ann</head>`. Tags nest where
an entity is inside the other one. Of two that cross, the second follows the text, with its place:

    <head>New York City</head> Marathon <tail@4>York City Marathon</tail>
"""

from __future__ import annotations

import re
from typing import NamedTuple

from relgen.data.samples import Entity, Sample

_ESCAPES = {"<": "&lt;", ">": "&gt;", "\n": "&#10;", "\r": "&#13;", "&": "&amp;"}
_UNESCAPES = {escape: plain for plain, escape in _ESCAPES.items()}
_TO_ESCAPE = re.compile(r"[<>\n\r]|&(?=(?:lt|gt|amp|#10|#13);)")
_ESCAPED = re.compile("|".join(_UNESCAPES))
_TAG = re.compile(r"<(/?)(head|tail)(?::([^<>\n\r]+))?>")
_CROSSING = re.compile(r" <(head|tail)@(\d{1,9})(?::([^<>\n\r]+))?>([^<>\n\r]*)</\1>$")


class Parsed(NamedTuple):
    """The plain text of a tagged text, and its two mentions."""

    text: str
    head: Entity
    tail: Entity


class MarkupError(ValueError):
    """Raised for text that does not parse, with the reason under which a draft is rejected.

    Reasons: `no_head`, `no_tail`, `several_heads`, `several_tails`, `empty_head`, `empty_tail`,
    `misplaced_head`, `misplaced_tail`, `stray_tag`, `line_break`.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text!r}")
        self.reason = reason


def render(sample: Sample, *, types: bool = False) -> str:
    """Return a sample as tagged text; with `types`, known entity types are part of the tags."""
    kinds = {
        role: f":{escape(entity.type)}" if types and entity.type else ""
        for role, entity in (("head", sample.head), ("tail", sample.tail))
    }
    tags, after = sample.boundaries(), ""
    (_, first, _), (start, second, begins), (_, ended, _), (end, _, _) = tags
    if begins and ended == first:  # they cross
        tags = [tag for tag in tags if tag[1] == first]
        mention = escape(sample.text[start:end])
        after = f" <{second}@{start}{kinds[second]}>{mention}</{second}>"
    pieces, position = [], 0
    for place, role, opening in tags:
        tag = f"<{role}{kinds[role]}>" if opening else f"</{role}>"
        pieces += [escape(sample.text[position:place]), tag]
        position = place
    return "".join([*pieces, escape(sample.text[position:]), after])


def parse(tagged: str) -> Parsed:
    """Return the plain text and the mentions of tagged text; the inverse of `render`.

    White space between an opening and a closing tag stays part of the entity. Raises MarkupError
    for a text that does not parse.
    """
    if "\n" in tagged or "\r" in tagged:
        raise MarkupError("line_break", tagged)
    crossing = _CROSSING.search(tagged)
    marked = tagged[: crossing.start()] if crossing else tagged
    tags = list(_TAG.finditer(marked))
    roles = [role for role in ("head", "tail") if crossing is None or role != crossing.group(1)]
    for role in roles:
        _check_tags([tag for tag in tags if tag.group(2) == role], role, marked)
    text, position, opened = "", 0, list[str]()
    places: dict[str, list[int]] = {role: [] for role in roles}
    for tag in tags:
        text += _plain(marked[position : tag.start()], tagged)
        closing, role, _ = tag.groups()
        if role not in places or (closing and opened.pop() != role):
            raise MarkupError("stray_tag", tagged)
        if not closing:
            opened.append(role)
        places[role].append(len(text))
        position = tag.end()
    text += _plain(marked[position:], tagged)
    kinds = {tag.group(2): tag.group(3) for tag in tags if not tag.group(1)}
    entities = {role: _entity(start, end, kinds[role]) for role, (start, end) in places.items()}
    if crossing:
        role, start, kind, mention = crossing.groups()
        entities[role] = _entity(int(start), int(start) + len(unescape(mention)), kind)
        if text[entities[role].start : entities[role].end] != unescape(mention):
            raise MarkupError(f"misplaced_{role}", tagged)
    for role, entity in entities.items():
        if not text[entity.start : entity.end].strip():
            raise MarkupError(f"empty_{role}", tagged)
    return Parsed(text, entities["head"], entities["tail"])


def _check_tags(tags: list[re.Match[str]], role: str, tagged: str) -> None:
    """Raise MarkupError unless there is one opening tag and one closing tag after it."""
    opening, closing = ([tag for tag in tags if bool(tag.group(1)) is end] for end in (False, True))
    if not opening or not closing or closing[-1].start() < opening[0].start():
        raise MarkupError(f"no_{role}", tagged)
    if len(opening) > 1 and len(closing) > 1:
        raise MarkupError(f"several_{role}s", tagged)
    if len(tags) > 2 or closing[0].start() < opening[0].start():
        raise MarkupError("stray_tag", tagged)


def _entity(start: int, end: int, kind: str | None) -> Entity:
    return Entity(start, end, unescape(kind) if kind else None)


def escape(text: str) -> str:
    """Replace the characters that are reserved in tagged text."""
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match.group()], text)


def unescape(text: str) -> str:
    """Restore the characters that `escape` replaced."""
    return _ESCAPED.sub(lambda match: _UNESCAPES[match.group()], text)


def _plain(piece: str, tagged: str) -> str:
    if "<" in piece or ">" in piece:
        raise MarkupError("stray_tag", tagged)
    return unescape(piece)
