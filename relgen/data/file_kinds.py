"""Recognises what a file is by how it begins, where another format is read.

That is tables of all kinds, JSON, and files of annotation tools and other corpora: texts with
numbered entities and relations between them, and not one sample per line.
"""

from __future__ import annotations

import csv
import re
import shlex
import sys
import zipfile
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from relgen.common import InputError, decode_json

Kind = Literal["xlsx", "parquet", "csv", "tsv", "json", "jsonl"]
"""The name of the format in `relgen data convert`."""
_NAMES: dict[Kind, str] = {
    "xlsx": "an Excel workbook",
    "parquet": "a Parquet file",
    "csv": "a table",
    "tsv": "a table",
    "json": "a JSON array",
    "jsonl": "lines of JSON",
}
_HEADER_WORDS = {"text", "sentence", "tokens", "relation", "label", "head", "tail", "id"}

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
    (r'\d+\t"?.*<e1>', "a file of SemEval-2010 Task 8", "semeval"),
    (r"[^\t{]+\t.*<(head|tail)", "tagged text", "tagged"),
)


def file_kind(path: Path) -> Kind | None:
    """Return what a file is, whatever its name; None for anything else, and for what is no file."""
    if not path.is_file():
        return None
    if (binary := binary_kind(path)) is not None:
        return binary
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        return kind_of_lines(list(islice(filter(str.strip, stream), 2)))


def refuse_unless_lines(path: Path, kind: Kind | None) -> None:
    """Raise InputError, with the command that converts it, for a file that is no lines of JSON."""
    if kind in (None, "jsonl"):
        return
    source, target = (shlex.quote(str(one)) for one in (path, _converted(path)))
    raise InputError(
        f"this is {_NAMES[kind]}, where one JSON object per line is expected",
        path=path,
        remedy=f"convert it first: relgen data convert {source} --format {kind} --out {target}",
    )


def refuse_other_lines(path: Path, lines: Sequence[str]) -> None:
    """Raise InputError if the first two lines of a file are not those of a JSONL file.

    Of a table or of an export, every line would be an error.
    """
    if not lines:
        return
    first, following = lines[0].strip(), "".join(lines[1:]).lstrip()
    refuse_exported_line(path, lines[0])
    refuse_unless_lines(path, kind_of_lines(lines))
    expected = "where one JSON object per line is expected"
    if first == "{" and following.startswith('"'):
        remedy = f"jq -c . {path.name} > {_converted(path).name}"
        raise InputError(f"objects of several lines, {expected}", path=path, remedy=remedy)
    if following and not first.startswith("{") and not following.startswith("{"):
        remedy = "convert it first: relgen data convert --help names the formats"
        problem = f"this is another format, {expected}"
        raise InputError(problem, path=path, line=1, value=first, remedy=remedy)


def _converted(path: Path) -> Path:
    """Return where to write the lines of JSON that a file is converted to."""
    return path.with_name(f"{path.stem}{'.lines' if path.suffix == '.jsonl' else ''}.jsonl")


def refuse_other_kind(path: Path, form: str, readable: Collection[Kind]) -> None:
    """Raise InputError for a file of another kind than those that a format reads."""
    kind = file_kind(path)
    if kind is not None and kind not in readable:
        remedy = f"relgen data convert --format {kind}"
        problem = f"this is {_NAMES[kind]}, which --format {form} does not read"
        raise InputError(problem, path=path, remedy=remedy)


def binary_kind(path: Path) -> Kind | None:
    """Return which kind of binary table a file is; None for anything else."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        begin = stream.read(4)
    if begin == b"PAR1":
        return "parquet"
    if begin == b"PK\x03\x04" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return "xlsx" if "xl/workbook.xml" in archive.namelist() else None
    return None


def kind_of_lines(lines: Sequence[str]) -> Kind | None:
    """Return what begins with these lines, one or two that are not blank; None if that is unclear.

    A table must have a header that looks like one.
    """
    first = lines[0].strip() if lines else ""
    if first.startswith("{"):
        return "jsonl"
    if re.match(r'\[\s*($|[{\["\]])', first):
        return "json"
    delimiter = "\t" if "\t" in first else max(",;|", key=first.count)
    csv.field_size_limit(sys.maxsize)
    rows = [next(csv.reader([line.strip("\r\n")], delimiter=delimiter), []) for line in lines]
    names = {cell.strip().lower() for cell in rows[0]} if rows else set()
    short = all(0 < len(name) <= 40 and not re.search(r"[.!?:{}]", name) for name in names)
    alike = len(rows) == 2 and len(rows[0]) == len(rows[1]) >= 3
    if len(names) < 2 or not short or not (alike or names & _HEADER_WORDS):
        return None
    return "tsv" if delimiter == "\t" else "csv"


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
