"""Recognises files of annotation tools and of other corpora, to name them where they are refused.

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
_KLUE = (
    "relgen data convert --format hub --columns text=sentence,head=subject_entity,"
    "tail=object_entity,relation=label,id=guid"
)
_BY_KEYS: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"tokens", "entities", "relations"}), "JSON of SpERT (CoNLL04, SciERC)", _TAGGED),
    (frozenset({"sentences", "ner", "relations"}), "JSON of SciERC and DyGIE++", _TAGGED),
    (frozenset({"text", "entities", "relations"}), "an export of doccano", _TAGGED),
    (frozenset({"text", "spans", "relations"}), "an export of Prodigy", _TAGGED),
    (frozenset({"data", "annotations"}), "an export of Label Studio", _TAGGED),
    (frozenset({"sents", "vertexSet"}), "JSON of DocRED", _TAGGED),
)
_BY_LINE: tuple[tuple[str, str, str], ...] = (
    (r"[TREAMN]\d+\t", "a standoff file of brat", _TAGGED),
    (r"m\.\S+\tm\.\S+\t.*\t", "OpenNRE's older table, which has no positions", _TAGGED),
    (r'\{.*"subject_entity"', "KLUE-RE, whose ends are inclusive", _KLUE),
)


def refuse_export(path: str | Path, keys: Collection[str]) -> None:
    """Raise InputError if a file's records have the keys of an annotation tool or corpus."""
    for known, name, remedy in _BY_KEYS:
        if known <= set(keys):
            raise InputError(f"this is {name}, not one sample per line", path=path, remedy=remedy)


def refuse_exported_line(path: str | Path, line: str) -> None:
    """Raise InputError if a file's first line is one of an annotation tool or another corpus."""
    for pattern, name, remedy in _BY_LINE:
        if re.match(pattern, line):
            raise InputError(f"this is {name}", path=path, remedy=remedy)
    try:
        record = decode_json(line)
    except InputError:
        return
    if isinstance(record, dict):
        refuse_export(path, record)
