"""Write a grammar in an engine's notation: llguidance's Lark, a regular expression, or GBNF.

Lark allows exactly the texts that `GrammarSpec.matches` accepts. The notations for servers allow
some more with non-ASCII characters, so a server's answers are checked afterwards.
"""

from __future__ import annotations

import re

from relgen.generation.grammar.spec import PORTABLE, GrammarSpec

_REGEX_TOKEN = re.compile(
    r"(?P<class>\[(?:\\.|[^\]\\])+\])|(?P<repeat>\?|\{\d+,\d+\})|(?P<operator>[()|])"
    r"|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)


def as_lark(spec: GrammarSpec) -> str:
    """Return the grammar in llguidance's dialect of Lark."""
    more = f' ("\\n" LINE){{0,{spec.lines - 1}}}' if spec.lines > 1 else ""
    line = spec.pattern().replace("/", r"\/")  # a slash would end the expression
    return f"start: LINE{more}\nLINE: /{line}/"


def as_regex(spec: GrammarSpec) -> str:
    """Return a regular expression without Unicode classes and look-around, as vLLM needs it."""
    line = spec.pattern(PORTABLE)
    return line if spec.lines == 1 else rf"{line}(\n{line}){{0,{spec.lines - 1}}}"


def as_gbnf(spec: GrammarSpec) -> str:
    """Return the grammar in llama.cpp's notation: the regular expression with quoted literals."""
    parts, literal = [], ""
    for token in _REGEX_TOKEN.finditer(as_regex(spec)):
        if token["plain"] or token["escaped"]:
            literal += "\n" if token["escaped"] == "n" else token["plain"] or token["escaped"]
            continue
        if literal:
            parts.append(_quoted(literal))
            literal = ""
        if token["repeat"]:
            parts[-1] += token["repeat"]
        else:
            parts.append(token[0])
    return " ".join(["root ::=", *parts, *([_quoted(literal)] if literal else [])])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'
