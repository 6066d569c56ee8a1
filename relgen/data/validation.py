"""Malformed records: all are reported at the end of a file, or skipped and counted.

Every reader of samples uses `RecordChecks`, so that all formats treat them alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from relgen.common import MOST_SHOWN, CombinedInputError, InputError, counted, read_lines, statement
from relgen.data.file_kinds import binary_kind, refuse_other_lines, refuse_unless_lines

SKIP_BAD_REMEDY = "correct it, or skip malformed records: relgen data convert --skip-bad"
_EXPECTED: dict[type, str] = {str: "a non-empty string", int: "a whole number"}
Scalar = TypeVar("Scalar", str, int)


def value_of(record: Mapping[str, Any], key: str, kind: type[Scalar], inside: str = "") -> Scalar:
    """Return a value of a decoded record; raise InputError if it is missing or not a `kind`.

    `inside` is the path of the record in a larger one, such as `head.`.
    """
    value = record.get(key)
    if value is None:
        raise AlikeError("missing", field=f"{inside}{key}", value=sorted(record))
    if type(value) is not kind or (isinstance(value, str) and not value.strip()):
        raise InputError(f"must be {_EXPECTED[kind]}", field=f"{inside}{key}", value=value)
    return value


def json_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a JSONL file that are not blank, with their numbers from 1.

    Raises InputError for tables, JSON arrays and files of annotation tools, of which every line
    would be an error.
    """
    refuse_unless_lines(path, binary_kind(path))
    lines = ((number, line) for number, line in enumerate(read_lines(path), 1) if line.strip())
    # the file is read once: it may be a pipe
    begin = list(islice(lines, 2))
    refuse_other_lines(path, [line for _, line in begin])
    yield from chain(begin, lines)


class AlikeError(InputError):
    """An error that many records may share: the first is named, and all are counted."""


class RecordChecks:
    """Collects the errors of one file's records, and counts its samples.

        checks = RecordChecks(path, skip_bad=skip_bad)
        for number, line in enumerate(read_lines(path), start=1):
            with checks.record(number):
                sample = parse(line)
                if checks.passes(sample.id, number):
                    yield sample
        checks.finish()

    With `skip_bad`, malformed records are only counted; `problems` are the errors of the first
    ten, of which those that are `AlikeError`s count as one, and `doubts` warnings about samples
    that may have been misread. A reader `note`s what it decided about a record. It may replace
    `path`, `what` a file should hold, and the advice: `remedy` for a file without any of it,
    `line_remedy` for a record. With `may_be_empty`, a file may have no records at all.
    """

    def __init__(self, path: str | Path, *, skip_bad: bool = False) -> None:
        self.path = path
        self.skip_bad = skip_bad
        self.read = self.skipped = 0
        self.problems: list[InputError] = []
        self.doubts: list[str] = []
        self._notes = Counter[tuple[str, str]]()
        self.may_be_empty = False
        self._first: dict[tuple[str, str], tuple[str | Path, int | str]] = {}
        self._last: dict[tuple[str, str], int | str] = {}
        self._alike = Counter[str]()
        self.what = "record"
        self.remedy = "give a file with one JSON sample per line"
        self.line_remedy = SKIP_BAD_REMEDY
        self._seen: dict[str, int | str] = {}
        self.confirmed = False
        """Whether the offsets of the last sample are confirmed."""

    @contextmanager
    def record(self, where: int | str) -> Iterator[None]:
        """Collect an InputError that the block raises; `where` is the record's line or name."""
        try:
            yield
        except InputError as error:
            self.skipped += 1
            alike = str(error)
            if not isinstance(error, AlikeError):
                alike = f"{self.path}:{where}: {error}"
            if alike in self._alike:
                self._alike[alike] += 1
            elif len(self.problems) < MOST_SHOWN:
                self._alike[alike] = 1
                line = where if isinstance(where, int) else None
                problem = str(error) if line else f"{_name(where)}: {error}"
                remedy = None if error.remedy else self.line_remedy
                located = InputError(problem, path=self.path, line=line, remedy=remedy)
                self.problems.append(located)

    def note(self, what: str, where: int | str, kind: str = "record") -> None:
        """Count a thing of which something is to be said: `2 records …; the first: line 3`.

        A record of which the same is said again, such as of its other entity, counts once.
        """
        key = (kind, what)
        self._notes[key] += kind != "record" or self._last.get(key) != where
        self._last[key] = where
        self._first.setdefault(key, (self.path, where))

    def noted(self) -> list[str]:
        """Return a line for each kind of note."""
        lines = []
        for (kind, what), number in self._notes.items():
            path, where = self._first[kind, what]
            place = f"{path}:{where}" if isinstance(where, int) else _name(where)
            first = _name(where) if path == self.path else place
            lines.append(f"{statement(number, kind, what)}; the first: {first}")
        return lines

    def passes(
        self,
        sample_id: str | None,
        where: int | str,
        *,
        counts: bool = True,
        confirmed: bool = False,
    ) -> bool:
        """Count a sample; return true if it may be yielded, which an earlier error prevents.

        A file whose samples do not count is as one without any. Raises InputError for an earlier
        record's id. None stands for ids that cannot repeat. Offsets are `confirmed` if the record
        also has the mentions, or these were found by them.
        """
        self.confirmed = confirmed
        if sample_id is not None:
            if sample_id in self._seen:
                problem = f"the same id as {_name(self._seen[sample_id])}"
                raise InputError(problem, field="id", value=sample_id)
            self._seen[sample_id] = where
        self.read += counts
        return self.skip_bad or not self.skipped

    def line_of(self, sample_id: str) -> int:
        """Return the line of a sample that was read from a file of lines."""
        return int(self._seen[sample_id])

    def finish(self) -> None:
        """Raise the collected errors, or an InputError when no sample was read."""
        skipped = self.skipped
        if self.problems and not self.skip_bad:
            problems = [
                error if number == 1 else _repeated(error, number - 1)
                for error, number in zip(self.problems, self._alike.values(), strict=True)
            ]
            others = skipped - self._alike.total()
            raise problems[0] if len(problems) == 1 else CombinedInputError(problems, others)
        if not self.read and not (self.may_be_empty and not skipped):
            place = "folder" if Path(self.path).is_dir() else "file"
            none = f"no {self.what}s are in this {place}"
            problem = f"all {skipped} records are malformed" if skipped else none
            if skipped == 1:
                problem = "the only record is malformed"
            if self._notes:
                left = "sample is left" if self.what == "record" else f"{self.what} became a sample"
                problem = f"no {left}: {'; '.join(self.noted())}"
            raise InputError(problem, path=self.path, remedy=self.remedy)


def _repeated(error: InputError, others: int) -> InputError:
    problem = f"{error.problem} (and {counted(others, 'more record')} like it)"
    return InputError(problem, path=error.path, line=error.line, remedy=error.remedy)


def _name(where: int | str) -> str:
    return f"line {where}" if isinstance(where, int) else f"record {where}"
