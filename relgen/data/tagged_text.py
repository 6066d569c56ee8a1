"""Tagged text: a sample as one line, which a language model reads and writes.

    <head>Inflammation</head> of the lung led to <tail>fever</tail>.

`render` and `parse` are inverses. In the text between tags `<`, `>` and line breaks are written as
`&lt;`, `&gt;`, `&#10;` and `&#13;`; an ampersand is escaped only where it would look like one of
these. With `types=True` a tag holds the entity's type: `<head:PERSON>Ann</head>`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from relgen.data.samples import Entity, Sample

_ESCAPES = {"<": "&lt;", ">": "&gt;", "\n": "&#10;", "\r": "&#13;", "&": "&amp;"}
_UNESCAPES = {escape: plain for plain, escape in _ESCAPES.items()}
_TO_ESCAPE = re.compile(r"[<>\n\r]|&(?=(?:lt|gt|amp|#10|#13);)")
_ESCAPED = re.compile("|".join(_UNESCAPES))
_TAGGED = re.compile(r"<(head|tail)(?::([^<>\n\r]+))?>([^<>\n\r]*)</\1>")


class Parsed(NamedTuple):
    """The plain text of a tagged text, and its two mentions."""

    text: str
    head: Entity
    tail: Entity


class MarkupError(ValueError):
    """Raised for text that does not parse, with the reason under which a draft is rejected.

    Reasons: `no_head`, `no_tail`, `several_heads`, `several_tails`, `empty_head`, `empty_tail`,
    `stray_tag`, `line_break`.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text!r}")
        self.reason = reason


def render(sample: Sample, *, types: bool = False) -> str:
    """Return a sample as tagged text; with `types`, known entity types are part of the tags."""
    pieces, position = [], 0
    roles = sorted([("head", sample.head), ("tail", sample.tail)], key=lambda pair: pair[1].start)
    for role, entity in roles:
        tag = f"{role}:{escape(entity.type)}" if types and entity.type else role
        pieces.append(escape(sample.text[position : entity.start]))
        pieces.append(f"<{tag}>{escape(sample.text[entity.start : entity.end])}</{role}>")
        position = entity.end
    pieces.append(escape(sample.text[position:]))
    return "".join(pieces)


def parse(tagged: str) -> Parsed:
    """Return the plain text and the mentions of tagged text; the inverse of `render`.

    White space between an opening and a closing tag stays part of the entity. Raises MarkupError
    for a text that does not parse.
    """
    if "\n" in tagged or "\r" in tagged:
        raise MarkupError("line_break", tagged)
    matches = list(_TAGGED.finditer(tagged))
    for role in ("head", "tail"):
        found = [match for match in matches if match.group(1) == role]
        if not found:
            raise MarkupError(f"no_{role}", tagged)
        if len(found) > 1:
            raise MarkupError(f"several_{role}s", tagged)
        if not unescape(found[0].group(3)).strip():
            raise MarkupError(f"empty_{role}", tagged)
    entities: dict[str, Entity] = {}
    text, position = "", 0
    for match in matches:
        text += _plain(tagged[position : match.start()], tagged)
        mention = unescape(match.group(3))
        kind = unescape(match.group(2)) if match.group(2) else None
        entities[match.group(1)] = Entity(len(text), len(text) + len(mention), kind)
        text += mention
        position = match.end()
    text += _plain(tagged[position:], tagged)
    return Parsed(text, entities["head"], entities["tail"])


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
