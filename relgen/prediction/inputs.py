"""Reads what to predict for: samples with two entities, or raw texts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from relgen.common import InputError, decode_json, read_lines
from relgen.data import RecordChecks, Sample, checked_samples, value_of
from relgen.prediction.pairs import Document

_RAW = "to find entities in raw text, give --entities"


def read_samples_to_predict(path: Path, *, skip_bad: bool = False) -> Iterator[Sample]:
    """Yield the samples of a file, which need no relation.

    Raises InputError for malformed lines, at the end of the file.
    """
    checks = _checks(path, skip_bad)
    if path.suffix in (".txt", ".md"):
        raise InputError("head and tail are not marked in a text", path=path, remedy=_RAW)
    yield from checked_samples(checks, labelled=False)


def read_documents(path: Path, *, skip_bad: bool = False) -> Iterator[Document]:
    """Yield the texts of a file, one a line: as they are, or as JSON objects with `text`.

    A text's id is `id`, or the file's name and the line. Raises InputError for malformed lines, at
    the end of the file.
    """
    checks = _checks(path, skip_bad)
    checks.remedy = "write a text on each line"
    lines = ((number, line) for number, line in enumerate(read_lines(path), 1) if line.strip())
    begin = list(islice(lines, 1))
    is_json = bool(begin) and begin[0][1].lstrip().startswith("{")
    for number, line in chain(begin, lines):
        name = f"{path.stem}-{number}"
        with checks.record(number):
            document = _document(line, name) if is_json else Document(name, line.strip())
            if checks.passes(document.id, number):
                yield document
    checks.finish()


def _checks(path: Path, skip_bad: bool) -> RecordChecks:
    checks = RecordChecks(path, skip_bad=skip_bad)
    checks.line_remedy = "correct it, or leave malformed lines out with --skip-bad"
    return checks


def _document(line: str, name: str) -> Document:
    row = decode_json(line)
    if not isinstance(row, dict):
        raise InputError("must be a JSON object with a text", value=row)
    return Document(value_of({"id": name, **row}, "id", str), value_of(row, "text", str))
