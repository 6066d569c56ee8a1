"""Samples to draw from, of which only what a split compares has to be in memory."""

from __future__ import annotations

import os
import weakref
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from relgen.common import decode_json
from relgen.data.samples import Sample, checked_samples, is_parquet
from relgen.data.schema import RelationSchema
from relgen.data.shared_sentences import Sentences
from relgen.data.text import normalised
from relgen.data.validation import RecordChecks


class Pool(Sequence[Sample]):
    """Samples, and lists of their `ids`, `relations`, `groups` and hashes of their words (`texts`).

    Args:
        samples: they are read once, and kept unless `read` returns them again.
        read: returns the sample at a position.
    """

    def __init__(
        self, samples: Iterable[Sample], read: Callable[[int], Sample] | None = None
    ) -> None:
        self.ids: list[str] = []
        self.relations: list[str] = []
        self.groups: list[str | None] = []
        self.texts = array("q")  # 64 bits do not collide
        self._several: dict[int, Sentences] = {}  # of texts of more than one sentence
        kept: list[Sample] = []
        self._read = read or kept.__getitem__
        for sample in samples:
            self.ids.append(sample.id)
            self.relations.append(sample.relation)
            self.groups.append(sample.group)
            self.texts.append(hash(normalised(sample.text)))
            if len((found := Sentences.of_sample(sample)).every) > 1:
                self._several[len(self.texts) - 1] = found
            if read is None:
                kept.append(sample)

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Pool:
        return samples if isinstance(samples, Pool) else cls(samples)

    @classmethod
    def of_file(cls, checks: RecordChecks, schema: RelationSchema | None = None) -> Pool:
        """Read a samples file as `checked_samples` does; a sentence is read again when needed.

        The samples of a Parquet file are kept.
        """
        if is_parquet(Path(checks.path)):
            return cls(checked_samples(checks, schema))
        starts = array("q", [0])

        def read(position: int) -> Sample:
            name = pool.ids[position]
            line = checks.line_of(name)
            start = starts[line - 1]
            raw = os.pread(handle, starts[line] - start, start)
            return Sample.from_json(decode_json(raw.decode("utf-8-sig")), {"id": name})

        pool = cls(checked_samples(checks, schema), read)
        with Path(checks.path).open("rb") as stream:
            for line in stream:
                starts.append(starts[-1] + len(line))
        handle = os.open(checks.path, os.O_RDONLY)
        weakref.finalize(pool, os.close, handle)
        return pool

    def sentences(self, place: int) -> Sentences:
        """Return the hashes of the sentences of the sample at a position."""
        return self._several.get(place) or Sentences.single(self.texts[place])

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Any) -> Any:
        found = range(len(self))[index]
        return self._read(found) if isinstance(found, int) else [self._read(i) for i in found]

    def subset(self, positions: Sequence[int]) -> Pool:
        """Return the samples at some positions, in this order."""
        part = Pool((), lambda place: self[positions[place]])
        part.ids = [self.ids[place] for place in positions]
        part.relations = [self.relations[place] for place in positions]
        part.groups = [self.groups[place] for place in positions]
        part.texts = array("q", [self.texts[place] for place in positions])
        several = ((new, self._several.get(place)) for new, place in enumerate(positions))
        part._several = {new: found for new, found in several if found}
        return part
