"""The interface of a corpus reader, its options, and checks that several readers share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from relgen.common import InputError, decode_json, read_json, read_lines
from relgen.data.corpora.units import Unit
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks

Parsed = TypeVar("Parsed")
Ambiguous = Literal["first", "all-pairs", "skip"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options of reading, as `ConvertOptions` describes them; a format ignores those of others.

    A record without a relation is `samples.UNLABELLED`. With `labelled`, that is an error in a file
    with relations: one with a column for them, or whose first line names one.
    """

    split_name: str | None = None
    ambiguous: Ambiguous | None = None
    columns: Mapping[str, str] | None = None
    offsets: Unit = "characters"
    labelled: bool = True
    negative: str | None = None
    sheet: str | None = None
    candidates: Callable[[str, str], Iterable[Sample]] | None = None
    """Returns the pairs of entities in a text, given a name for it."""


Reader = Callable[[Path, RecordChecks, ReadOptions], Iterator[Sample]]
"""Yields the samples of a file, or raises InputError when it cannot be read as a whole.

Each record is parsed inside `checks.record`, and its sample is yielded if `checks.passes`. The
caller calls `checks.finish`.
"""


@contextmanager
def malformed(form: str) -> Iterator[None]:
    """Raise InputError where a record has other keys, types or values than the format `form`."""
    try:
        yield
    except InputError:
        raise
    except (AttributeError, TypeError) as error:
        problem = f"not as {form} writes it: a value has another type, such as a list for a mapping"
        raise InputError(problem) from error
    except (IndexError, KeyError, OverflowError, ValueError) as error:
        raise InputError(f"not as {form} writes it: {type(error).__name__}: {error}") from error


def well_formed(
    rows: Iterable[Any], parse: Callable[[Any], Parsed], place: int | str, checks: RecordChecks
) -> Iterator[Parsed]:
    """Yield what the rows of a record become, without those whose errors are collected."""
    for row in rows:
        parsed = None
        with checks.record(place), malformed("the tool"):
            parsed = parse(row)
        if parsed is not None:
            yield parsed


def json_records(path: Path) -> list[tuple[int | str, Mapping[str, Any] | InputError]]:
    """Return the objects of an array, or of the lines of a file, each with its place.

    One object may also stand over several lines. What is no object comes as the error to raise.
    """
    lines = [(n, line) for n, line in enumerate(read_lines(path), start=1) if line.strip()]
    if lines and lines[0][1].strip() == "{":
        return [("[1]", _object(read_json(path)))]
    if lines and lines[0][1].lstrip().startswith("["):
        return [(f"[{n}]", _object(row)) for n, row in enumerate(read_json(path), start=1)]
    return [(number, _decoded(line)) for number, line in lines]


def _decoded(line: str) -> Mapping[str, Any] | InputError:
    try:
        return _object(decode_json(line))
    except InputError as error:
        return error


def _object(row: Any) -> Mapping[str, Any] | InputError:
    return row if isinstance(row, dict) else InputError("must be a JSON object", value=row)


def offsets(value: Any, field: str) -> tuple[int, int]:
    """Return a decoded `[start, end]`. Raise InputError for anything else."""
    if not isinstance(value, list) or [type(each) for each in value] != [int, int]:
        raise InputError("must be [start, end], two whole numbers", field=field, value=value)
    return value[0], value[1]


def whole_number(value: Any, field: str) -> int | None:
    """Return a whole number, also of a text or written as 3.0; None for an empty cell."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not number.is_integer():  # infinity and NaN are none
        raise InputError("must be a whole number", field=field, value=value)
    return int(number)
