"""What jsonargparse says over fifteen lines, as one: file, line, key, value, remedy."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Sequence
from pathlib import Path

from relgen.common import InputError, read_lines

_CLASS = re.compile(
    r"^( *)- Problem with given class_path '([\w.]+)':\s*(.*?)(?=\n\1- |\Z)", re.S | re.M
)
_UNKNOWN = re.compile(r"(?:Option|Key) '([^']+)' is not (?:accepted|expected)")
_UNRECOGNISED = re.compile(r"[Uu]nrecognized arguments: (.+)")
_KEY = re.compile(r'Parser key "([^"]+)":')
_EXPECTED = re.compile(
    r"Expected an? (?:<class '([^'>\n]+?)'>|(\S.*?))(?:\. Got value: (.*))?$", re.M
)
_LITERAL = re.compile(r"typing\.Literal\[(.*)\]")
_VALUE = re.compile(r"Given value: (.*)")
_REQUIRED = re.compile(r"the following arguments are required: (.+)")


def explain(message: str, configs: Sequence[Path], command: str) -> InputError:
    """Turns a parser's message into an InputError of one line.

    Args:
        message: what jsonargparse would print.
        configs: the configuration files that were read; the key at fault is looked up in them.
        command: named in the remedy when nothing better is known.
    """
    text = message.partition("error: ")[2] or message
    outer = _KEY.search(text)
    prefix = outer.group(1) if outer else ""
    owner = ""
    if in_class := _CLASS.search(text):
        _, owner, inner = in_class.groups()
    else:
        inner = text
    help_remedy = f"see `{command} --help`"
    if required := _REQUIRED.search(inner):
        names = [f"{prefix}.{n}" if prefix else n for n in re.split(r",\s*", required.group(1))]
        plain = [name.strip().split(".", 1)[-1] if not prefix else name for name in names]
        return InputError(
            "missing",
            field=plain[0],
            remedy=f"give {' and '.join('--' + name for name in plain)}, or -c a configuration",
        )
    if unknown := (_UNKNOWN.search(inner) or _UNRECOGNISED.search(inner)):
        key = unknown.group(1).split()[0].lstrip("-").partition("=")[0].rpartition(".")[2]
        near = difflib.get_close_matches(key, _arguments(owner), n=1)
        remedy = f"did you mean '{near[0]}'?" if near else help_remedy
        path, line = _find(key, configs)
        field = f"{prefix}.{key}" if prefix else unknown.group(1).split()[0]
        return InputError("unknown key", path=path, line=line, field=field, remedy=remedy)
    nested = _KEY.search(inner) if owner else None
    field = f"{prefix}.{nested.group(1)}" if nested else prefix or "configuration"
    if expected := list(_EXPECTED.finditer(inner)):
        value = expected[0].group(3) or (m.group(1) if (m := _VALUE.search(inner)) else "")
        path, line = _find(field.rpartition(".")[2], configs, value)
        return InputError(
            f"must be {_either([found.group(1) or found.group(2) for found in expected])}",
            path=path,
            line=line,
            field=field,
            value=value,
            remedy=help_remedy,
        )
    short = re.sub(r"\s+", " ", inner).strip()[:300]
    return InputError(short, field=field if outer else None, remedy=help_remedy)


def _either(expected: Sequence[str]) -> str:
    """What a value must be, from the types of a union: `of type int, one of a, b, or null`."""
    kinds = []
    for kind in dict.fromkeys(expected):
        if literal := _LITERAL.fullmatch(kind):
            kinds.append("one of " + literal.group(1).replace("'", ""))
        elif kind == "NoneType":
            kinds.append("null")
        else:
            kinds.append(f"of type {kind.rpartition('.')[2]}")
    return ", ".join(kinds[:-1]) + " or " + kinds[-1] if len(kinds) > 1 else kinds[0]


def _arguments(class_path: str) -> list[str]:
    """The names that a class's constructor takes; none when it cannot be imported."""
    module, _, name = class_path.rpartition(".")
    try:
        return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    except (ImportError, AttributeError, ValueError):
        return []


def _find(key: str, configs: Sequence[Path], value: str = "") -> tuple[Path | None, int | None]:
    """The file and line in which a key (with this value, when given) stands."""
    pattern = re.compile(rf"[\s{{,]*['\"]?{re.escape(key)}['\"]?\s*:.*{re.escape(value)}")
    for path in configs:
        for number, line in enumerate(read_lines(path), start=1):
            if pattern.match(line):
                return path, number
    return None, None
