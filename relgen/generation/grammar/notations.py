"""Write a grammar in an engine's notation: llguidance's Lark, a regular expression, or GBNF.

Lark allows exactly the texts that `GrammarSpec.matches` accepts. The notations for servers allow
some more with non-ASCII characters, so a server's answers are checked afterwards.
"""

from __future__ import annotations

import re

from relgen.data import escape
from relgen.generation.grammar.spec import PORTABLE, UNICODE, FieldsSpec, GrammarSpec

_REGEX_TOKEN = re.compile(
    r"(?P<class>\[(?:\\.|[^\]\\])+\])|(?P<repeat>\?|\{\d+,\d+\})|(?P<operator>[()|])"
    r"|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)


def as_lark(spec: GrammarSpec) -> str:
    """Return the grammar in llguidance's dialect of Lark."""
    more = f' ("\\n" line){{0,{spec.lines - 1}}}' if spec.lines > 1 else ""
    if isinstance(spec, FieldsSpec):
        # one terminal: a lexer must not decide where a context ends
        return f"start: line{more}\nline: LINE\nLINE: {_terminal(spec.pattern())}"
    first, middle, last = map(_terminal, spec.contexts(UNICODE))
    return "\n".join(
        [
            f"start: line{more}",
            "line: FIRST ( head MIDDLE tail | tail MIDDLE head ) LAST",
            f'head: "<head" {_lark_types(spec.head_types)} ENTITY "</head>"',
            f'tail: "<tail" {_lark_types(spec.tail_types)} ENTITY "</tail>"',
            f"FIRST: {first}",
            f"MIDDLE: {middle}",
            f"LAST: {last}",
            f"ENTITY: {_terminal(spec.entity(UNICODE))}",
        ]
    )


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


def _terminal(pattern: str) -> str:
    # a slash would end the expression
    return f"/{pattern.replace('/', chr(92) + '/')}/"


def _lark_types(types: tuple[str, ...]) -> str:
    if not types:
        return '">"'
    return f'":" ( {" | ".join(_quoted(escape(kind)) for kind in types)} ) ">"'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'
