"""Bad records of a file: all of them raised at its end, or left out and counted.

Every reader of samples goes through `RecordChecks`, so that all of them treat a malformed record
the same way. What a record looks like is the readers' matter.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from relgen.common import CombinedInputError, InputError

SKIP_BAD_REMEDY = "mend it, or leave bad records out with relgen data convert --skip-bad"
_KEPT = 1000
_SLOTS = 1024  # a power of two


@dataclass
class ReadStatistics:
    """What a reading gave and what it left out.

    Args:
        read: samples yielded.
        skipped: records that are malformed.
        problems: what is wrong with the first 1,000 of these.
        doubts: lines to be said about samples that were read and may not be what was meant.
    """

    read: int = 0
    skipped: int = 0
    problems: list[InputError] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


class RecordChecks:
    """Collects the errors of one file's records.

        checks = RecordChecks(path, skip_bad=skip_bad)
        for number, line in enumerate(read_lines(path), start=1):
            with checks.record(number):
                sample = parse(line)
                if checks.passes(sample.id, number):
                    yield sample
        checks.finish()

    Args:
        path: the file, for the messages.
        skip_bad: leave malformed records out and count them, in place of raising.
        statistics: receives the counts.
        remedy: what the user can do when the file holds nothing usable.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        skip_bad: bool = False,
        statistics: ReadStatistics | None = None,
        remedy: str = "give a file with one JSON sample a line",
    ) -> None:
        self.path = path
        self.skip_bad = skip_bad
        self.statistics = statistics or ReadStatistics()
        self.remedy = remedy
        self._seen = _SeenIds()

    @contextmanager
    def record(self, where: int | str) -> Iterator[None]:
        """Notes an InputError of the block as this record's.

        Args:
            where: the record's line, counted from 1, or its name where a file has no lines.
        """
        try:
            yield
        except InputError as error:
            self.statistics.skipped += 1
            if len(self.statistics.problems) < _KEPT:
                self.statistics.problems.append(self._located(error, where))

    def passes(self, sample_id: str | None, where: int | str) -> bool:
        """Counts a sample; true when it may be yielded, since no error stands against the file.

        Args:
            sample_id: raises InputError when an earlier record had it; None for ids that a reader
                numbers itself, which saves the memory of remembering them.
            where: as in `record`.
        """
        if sample_id is not None:
            before = self._seen.place(sample_id, where)
            if before is not None:
                raise InputError(f"the id of {_name(before)} again", field="id", value=sample_id)
        self.statistics.read += 1
        return self.skip_bad or not self.statistics.skipped

    def finish(self) -> None:
        """Raises what has been collected.

        Raises:
            CombinedInputError: one line of text for each malformed record, the first 1,000 of them.
            InputError: nothing usable was read.
        """
        problems, skipped = self.statistics.problems, self.statistics.skipped
        if problems and not self.skip_bad:
            if skipped > len(problems):
                more = f"and {skipped - len(problems)} more malformed records"
                problems = [*problems, InputError(more, path=self.path)]
            raise problems[0] if len(problems) == 1 else CombinedInputError(problems)
        if not self.statistics.read:
            problem = f"no usable record, {skipped} malformed" if skipped else "the file is empty"
            raise InputError(problem, path=self.path, remedy=self.remedy)

    def _located(self, error: InputError, where: int | str) -> InputError:
        remedy = None if error.remedy else SKIP_BAD_REMEDY
        if isinstance(where, int):
            return InputError(str(error), path=self.path, line=where, remedy=remedy)
        return InputError(f"{_name(where)}: {error}", path=self.path, remedy=remedy)


class _SeenIds:
    """Where each id stood, without the ids: a hash table of two numbers an id.

    A dict of the ids would take most of the memory of reading a large file. Two of a million ids
    share their 64-bit hash once in 40 million files; the hashes differ from process to process.
    """

    def __init__(self) -> None:
        self._count = 0
        self._hashes = array("q", [0]) * _SLOTS  # 0: the slot is free
        self._places = array("q", [0]) * _SLOTS
        self._names: list[str] = []

    def place(self, sample_id: str, where: int | str) -> int | str | None:
        """Where the id stood before; None if it is new, and then it is noted."""
        if 2 * self._count >= len(self._hashes):
            self._grow()
        key = hash(sample_id) or 1
        slot = self._slot(key)
        if self._hashes[slot]:
            before = self._places[slot]
            return before if before >= 0 else self._names[-before - 1]
        if isinstance(where, str):
            self._names.append(where)
            where = -len(self._names)
        self._hashes[slot], self._places[slot] = key, where
        self._count += 1
        return None

    def _slot(self, key: int) -> int:
        """The slot that holds a hash, or the free one where it belongs."""
        hashes, mask = self._hashes, len(self._hashes) - 1
        slot = key & mask
        while hashes[slot] and hashes[slot] != key:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        old_hashes, old_places = self._hashes, self._places
        self._hashes = array("q", [0]) * (2 * len(old_hashes))
        self._places = array("q", [0]) * (2 * len(old_hashes))
        for key, where in zip(old_hashes, old_places, strict=True):
            if key:
                slot = self._slot(key)
                self._hashes[slot], self._places[slot] = key, where


def _name(where: int | str) -> str:
    return f"line {where}" if isinstance(where, int) else f"record {where}"
