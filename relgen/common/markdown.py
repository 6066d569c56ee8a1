"""Shows texts from outside in Markdown as they are: markup, HTML and links have no effect."""

from __future__ import annotations

import re

from relgen.common.errors import printable

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>|#~$&@]|(?<=:)//|(?<=www)\.")


def markdown_text(text: str) -> str:
    """Return a text on one line, for a paragraph or a table's cell."""
    plain = printable(" ".join(text.split()))
    return _SPECIAL.sub(lambda found: "".join(map(_escaped, found[0])), plain)


def markdown_code(text: str) -> str:
    """Return a text on one line, as code."""
    plain = printable(" ".join(text.split())).replace("|", r"\|")
    runs = [len(run) for run in re.findall("`+", plain)]
    if not runs:
        return f"`{plain}`"
    fence = "`" * (max(runs) + 1)
    return f"{fence} {plain} {fence}"


def _escaped(character: str) -> str:
    # the dot and the slash would not stop a link behind a backslash, nor `<` in every reader
    if character in "<>&@/.":
        return f"&#{ord(character)};"
    return f"\\{character}"
