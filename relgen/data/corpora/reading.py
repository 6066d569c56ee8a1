"""The contract of a corpus reader, its options, and checks that several readers share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from relgen.common import InputError
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks

Mentions = Literal["first", "all"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options of reading, each with the formats that use it.

    Args:
        split_name: name of the split, as part of the ids (`semeval-train-1`); by default the file's
            name, or for semeval the split that the sentence's number tells. For hub the split to
            load (`train`). Not used by tacred and jsonl, whose files hold ids.
        mentions: fewrel: the `first` pair of mentions that do not overlap, or a sample for `all`.
        columns: hub: the columns of the data, by the keys that `hub` documents.
    """

    split_name: str | None = None
    mentions: Mentions = "first"
    columns: Mapping[str, str] | None = None


class Reader(Protocol):
    """A function that reads one corpus format."""

    def __call__(self, path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
        """Yield the samples of a file.

        Args:
            path: the file.
            checks: each record is parsed inside of `checks.record`, and a sample is yielded if it
                `checks.passes`. The caller calls `checks.finish`.
            options: of which a reader uses those that it needs.

        Raises:
            InputError: the file as a whole cannot be read.
        """
        ...


def offsets(value: Any, field: str) -> tuple[int, int]:
    """Return a decoded `[start, end]`.

    Raises:
        InputError: it is not a pair of whole numbers.
    """
    if not isinstance(value, list) or len(value) != 2 or not all(map(whole_number, value)):
        raise InputError("must be [start, end], two whole numbers", field=field, value=value)
    return value[0], value[1]


def whole_number(value: Any) -> bool:
    """Return true for an int that is not a bool, which JSON's `true` becomes."""
    return isinstance(value, int) and not isinstance(value, bool)
