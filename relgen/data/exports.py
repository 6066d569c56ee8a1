"""Recognises files of annotation tools and of other corpora where another format is read.

They hold texts with numbered entities and relations between them, and not one sample per line.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from relgen.common import InputError, decode_json

_TAGGED = (
    "write each related pair as a line: its label, a tab, and the sentence with <head>…</head> and "
    "<tail>…</tail>; then relgen data convert --format tagged"
)
# a format that reads the file, or None
_BY_KEYS: tuple[tuple[frozenset[str], str, str | None], ...] = (
    (frozenset({"tokens", "entities", "relations"}), "JSON of SpERT (CoNLL04, SciERC)", "spert"),
    (frozenset({"sentences", "ner", "relations"}), "JSON of SciERC and DyGIE++", "dygie"),
    (frozenset({"text", "entities", "relations"}), "an export of doccano", "doccano"),
    (frozenset({"text", "spans", "relations"}), "an export of Prodigy", "prodigy"),
    (frozenset({"data", "annotations"}), "an export of Label Studio", "labelstudio"),
    (frozenset({"sents", "vertexSet"}), "JSON of DocRED", None),
)
_BY_LINE: tuple[tuple[str, str, str | None], ...] = (
    (r"[TREAMN]\d+\t", "a standoff file of brat", "brat"),
    (r"#FORMAT=WebAnno", "WebAnno TSV", "webanno"),
    (r"[^|\t]+\|t\|", "a PubTator file", "pubtator"),
    (r"m\.\S+\tm\.\S+\t.*\t", "OpenNRE's older table, which has no positions", None),
    (r'\{.*"subject_entity"', "KLUE-RE", "klue"),
)


def refuse_export(path: str | Path, keys: Collection[str]) -> None:
    """Raise InputError if a file's records have the keys of an annotation tool or corpus."""
    for known, name, form in _BY_KEYS:
        if known <= set(keys):
            problem = f"this is {name}, not one sample per line"
            raise InputError(problem, path=path, remedy=_remedy(form))


def refuse_exported_line(path: str | Path, line: str) -> None:
    """Raise InputError if a file's first line is one of an annotation tool or another corpus."""
    for pattern, name, form in _BY_LINE:
        if re.match(pattern, line):
            raise InputError(f"this is {name}", path=path, remedy=_remedy(form))
    try:
        record = decode_json(line)
    except InputError:
        return
    if isinstance(record, dict):
        refuse_export(path, record)


def _remedy(form: str | None) -> str:
    return f"relgen data convert --format {form}" if form else _TAGGED
