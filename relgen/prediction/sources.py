"""Finds entities in raw text: spaCy, GLiNER, lists of names, and regular expressions.

A source takes texts and returns each one's entities, which may overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import regex

from relgen.common import InputError, read_lines, read_yaml, suggestion
from relgen.data import Entity

Source = Callable[[Sequence[str]], list[list[Entity]]]
# a name touches no letter with case, no digit and no underscore; other scripts have no spaces
_EDGE = r"[\p{LC}\p{M}\p{N}_]"


def open_sources(
    names: Sequence[str], types: Sequence[str], renamed: Mapping[str, str] | None = None
) -> Source:
    """Return one source that finds what all the named ones find.

    Args:
        names: such as `spacy:en_core_web_sm` or `gazetteer:names.tsv`.
        types: the schema's entity types, which GLiNER is asked for.
        renamed: types of the sources by those of the schema.

    Raises:
        InputError: there is no such source, model or file, or a library is missing.
    """
    sources = [_open(name, types) for name in names]
    known = renamed or {}

    def find(texts: Sequence[str]) -> list[list[Entity]]:
        found: list[list[Entity]] = [[] for _ in texts]
        for source in sources:
            for mine, more in zip(found, source(texts), strict=True):
                mine += [Entity(e.start, e.end, known.get(e.type or "", e.type)) for e in more]
        return found

    return find


def source_files(names: Sequence[str]) -> list[Path]:
    """Return the files and folders that sources read."""
    paths = [Path(name.partition(":")[2]) for name in names]
    return [path for path in paths if path.exists()]


def _open(name: str, types: Sequence[str]) -> Source:
    kind, _, value = name.partition(":")
    if kind in _SOURCES and not value:
        remedy = f"write {kind}: and a file or a model, such as {kind}:NAME"
        raise InputError("this source names nothing", field="--entities", value=name, remedy=remedy)
    if kind not in _SOURCES:
        example = f"gazetteer:{name}" if Path(name).is_file() else "spacy:en_core_web_sm"
        remedy = suggestion(kind, _SOURCES, f"one of {', '.join(_SOURCES)}, such as {example}")
        raise InputError("no such source", field="--entities", value=name, remedy=remedy)
    return _SOURCES[kind](value, types)


def _spacy(name: str, types: Sequence[str]) -> Source:
    try:
        import spacy
    except ImportError as error:
        raise _missing("spaCy", "spacy") from error
    try:
        pipeline = spacy.load(name)
    except (OSError, ValueError) as error:
        remedy = f"python -m spacy download {name}, or give the pipeline's folder"
        problem = f"spaCy cannot load this pipeline: {' '.join(str(error).split())[:150]}"
        raise InputError(problem, field="--entities", value=name, remedy=remedy) from error

    def find(texts: Sequence[str]) -> list[list[Entity]]:
        return [
            [Entity(e.start_char, e.end_char, e.label_ or None) for e in document.ents]
            for document in pipeline.pipe(texts)
        ]

    return find


def _gliner(name: str, types: Sequence[str]) -> Source:
    try:
        from gliner import GLiNER
    except ImportError as error:
        raise _missing("GLiNER", "gliner") from error
    if not types:
        problem = "GLiNER looks for the schema's entity types, and this schema names none"
        raise InputError(problem, remedy="give the relations head_types and tail_types")
    try:
        model = GLiNER.from_pretrained(name)
    except Exception as error:  # the hub, torch and GLiNER raise many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        problem = f"GLiNER cannot load this model: {reason}"
        raise InputError(problem, field="--entities", value=name) from error
    words = {kind.replace("_", " ").lower(): kind for kind in types}

    def find(texts: Sequence[str]) -> list[list[Entity]]:
        found = model.inference(list(texts), list(words))
        return [[Entity(e["start"], e["end"], words[e["label"]]) for e in of] for of in found]

    return find


def _gazetteer(name: str, types: Sequence[str]) -> Source:
    """Find names as whole words, also capitalised; of names that overlap, the longest."""
    kinds: dict[str, str | None] = {}
    for line in read_lines(name):
        written, _, kind = line.strip().partition("\t")
        if written.strip():
            kinds.setdefault(written.strip(), kind.strip() or None)
    for written in list(kinds):  # as at the beginning of a sentence
        kinds.setdefault(written[0].upper() + written[1:], kinds[written])
    if not kinds:
        problem, remedy = "no names in this file", "write a name, a tab and its type on each line"
        raise InputError(problem, path=name, remedy=remedy)
    pattern = regex.compile(rf"(?<!{_EDGE})\L<names>(?!{_EDGE})", names=list(kinds))
    return partial(_search, [(pattern, kinds)])


def _expressions(name: str, types: Sequence[str]) -> Source:
    content = read_yaml(name)
    if not isinstance(content, dict) or not content:
        remedy = "write YEAR: '\\b\\d{4}\\b', or a list of expressions"
        raise InputError("must map types to expressions", path=name, value=content, remedy=remedy)
    patterns = []
    for kind, given in content.items():
        for text in given if isinstance(given, list) else [given]:
            try:
                patterns.append((regex.compile(text), str(kind)))
            except (regex.error, TypeError) as error:
                problem = f"not a regular expression: {error}"
                raise InputError(problem, path=name, field=str(kind), value=text) from error
    return partial(_search, patterns)


def _search(
    patterns: Sequence[tuple[Any, str | Mapping[str, str | None]]], texts: Sequence[str]
) -> list[list[Entity]]:
    """Return what expressions find; the type is given, or by what was found."""
    return [
        [
            Entity(match.start(), match.end(), kind if isinstance(kind, str) else kind[match[0]])
            for pattern, kind in patterns
            for match in pattern.finditer(text)
            if match[0].strip()
        ]
        for text in texts
    ]


def _missing(library: str, extra: str) -> InputError:
    remedy = f"pip install 'relgen-re[{extra}]'"
    return InputError(f"{library} is not installed", field="--entities", remedy=remedy)


_SOURCES: dict[str, Callable[[str, Sequence[str]], Source]] = {
    "spacy": _spacy,
    "gliner": _gliner,
    "gazetteer": _gazetteer,
    "regex": _expressions,
}
