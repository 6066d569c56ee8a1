"""Finds the mentions that a prediction is asked for."""

from __future__ import annotations

from relgen.common import InputError
from relgen.data import find_mentions

GivenMention = str | tuple[int, int]


def find_mention(text: str, mention: GivenMention, role: str) -> tuple[int, int]:
    """Return a mention's offsets in a text; whole words are preferred to parts of words.

    Offsets are returned unchanged. `role` is for the message. Raises InputError if the mention is
    not in the text, or more than once.
    """
    if not isinstance(mention, str):
        return mention
    if not mention.strip():
        raise InputError("the mention is empty", field=role, value=mention)
    spans = find_mentions(text, mention)
    if len(spans) == 1:
        return spans[0]
    if not spans:
        raise InputError(
            f"the mention is not in the text {text!r}",
            field=role,
            value=mention,
            remedy="copy it exactly from the text, or give (start, end) offsets",
        )
    raise InputError(
        f"the mention is in the text {len(spans)} times, at {[start for start, _ in spans]}",
        field=role,
        value=mention,
        remedy=f"give the offsets of the one you mean, such as {role}={spans[0]}",
    )
