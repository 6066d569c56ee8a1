"""Decodes JSON from outside: errors are InputErrors, and a key given twice is one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

from relgen.common.errors import InputError

_RARE = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)


def decode_json(text: str | bytes, *, keep: Collection[str] | None = None) -> Any:
    """Return the value of a JSON text; with `keep`, only these keys of objects.

    Raises InputError for a text that is malformed, nested too deep, gives a key twice, or holds a
    number without end. The error of a text of several lines names the line.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"not UTF-8 at byte {error.start}") from error

    try:
        if keep is None:
            return _DECODER.decode(text)
        hook = partial(_unique, keep=keep)
        return json.JSONDecoder(object_pairs_hook=hook).decode(text)
    except json.JSONDecodeError as error:
        lines = text.splitlines()
        place = "" if len(lines) > 1 else f" at column {error.colno}"
        shown = "".join(lines[error.lineno - 1 : error.lineno]).strip()
        raise InputError(
            f"not valid JSON{place}: {error.msg}", line=error.lineno, value=shown
        ) from error
    except RecursionError:
        raise InputError("JSON that is nested too deep") from None
    except InputError:
        raise
    except ValueError:  # Python's limit on the digits of whole numbers
        raise InputError("holds a whole number of more than 4,300 digits") from None


def encode_json(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON text that any file and terminal can hold.

    Letters of all scripts are kept; lone surrogates, control characters and marks that terminals
    act on or do not show are written as escapes, which are read back as the same characters.
    """
    return _escaped(json.dumps(value, ensure_ascii=False, indent=indent))


def print_json(text: str) -> None:
    """Print JSON text as it is, line end included; escape what the output's encoding lacks.

    Elsewhere a question mark may take a letter's place, but this is data.
    """
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)
    sys.stdout.write(text)
    sys.stdout.flush()


def json_pieces(value: Any) -> Iterator[str]:
    """Yield the pieces of a value as indented JSON text; see `encode_json`."""
    yield from map(_escaped, json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(value))


def _escaped(text: str) -> str:
    return _RARE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _unique(pairs: list[tuple[str, Any]], keep: Collection[str] | None = None) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError(f"the key '{twice[:80]}' is given twice", remedy="keep one of them")
    return found if keep is None else {name: found[name] for name in found if name in keep}


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)  # made once: lines are short
