"""Reads a server's API key from the environment, and finds it in what the server says."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from relgen.common import InputError

_SHORTEST_SECRET = 8
"""Shorter keys, such as `EMPTY`, stand for none."""


def read_key(variable: str) -> str | None:
    """Return the key in an environment variable, without white space around it, or None.

    Raises InputError for a key that no HTTP header can hold; the message does not show it.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        return None
    if not re.fullmatch(r"[!-~]+", key):
        kind = "letters outside of ASCII" if not key.isascii() else "white space inside"
        raise InputError(
            f"the key in this environment variable has {kind}",
            field=variable,
            remedy="set it to the key alone, as the server's owner gave it",
        )
    return key


def repeats_key(text: str, key: str | None, *, part: int | None = None) -> bool:
    """Return whether a text holds a key, also percent-encoded, escaped or broken by white space.

    With `part`, so many of its characters in a row are enough.
    """
    if key is None or len(key) < _SHORTEST_SECRET:
        return False
    size = min(part or len(key), len(key))
    parts = [key[start : start + size] for start in range(len(key) - size + 1)]
    escaped = re.sub(r"\\u00([0-9a-fA-F]{2})|\\x([0-9a-fA-F]{2})", _character, text)
    forms = (text, unquote(text), unquote(unquote(escaped)), re.sub(r"[\s\\]+", "", escaped))
    return any(piece in form for form in forms for piece in parts)


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1] or found[2], 16))
