"""Samples: sentences with a head, a tail and a relation, and the JSON lines that store them.

A samples file holds one JSON object a line:

    {"id": "semeval-train-1", "text": "…", "head": {"start": 10, "end": 15, "type": null},
     "tail": {"start": 30, "end": 36, "type": null}, "relation": "Cause-Effect(e1,e2)",
     "source": "human"}

Offsets count characters of `text`, ends are exclusive. `id` (default: the file's name and line),
`type` and `source` may be left out; unknown keys are ignored. A sample labelled by `relgen label`
also holds `scores`: the probability of each relation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relgen.common import InputError, read_lines, write_jsonl
from relgen.data.validation import ReadStatistics, RecordChecks

if TYPE_CHECKING:
    from relgen.data.schema import RelationSchema

UNLABELLED = "unlabelled"
"""The relation of sentences that nobody has labelled, where only predictions are asked for."""
_SURROGATE = re.compile("[\ud800-\udfff]")
# exactly the characters of which `str.isalnum` is false
_NOT_ALNUM = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Entity:
    """A mention: characters `start` to `end` (exclusive) of the text, and its type if known."""

    start: int
    end: int
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A sentence with its head and tail entity and the relation between them.

    Args:
        id: unique within a file.
        text: the sentence.
        head: the mention in the relation's first role.
        tail: the mention in its second role; never overlaps the head.
        relation: a label of the schema.
        source: `human` or `generated`.
        provenance: for generated samples: model, adapter, mode, step, seed, prompt hash, mean
            token log-probability, version of relgen.
        scores: for samples whose relation is not certain: the probability of each relation.
            Classifiers train on these instead of `relation`.

    Raises:
        ValueError: an offset is out of range, an entity is empty, or the two overlap.
    """

    id: str
    text: str
    head: Entity
    tail: Entity
    relation: str
    source: str = "human"
    provenance: Mapping[str, Any] | None = field(default=None, hash=False)
    scores: Mapping[str, float] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        for name, value in (("id", self.id), ("text", self.text), ("relation", self.relation)):
            # a draft of a generator has no id yet
            if not value.strip() and name != "id":
                raise InputError("must not be empty", field=name, value=value)
            if _SURROGATE.search(value):
                raise InputError(
                    "contains half a surrogate pair, which UTF-8 cannot encode",
                    field=name,
                    value=value,
                )
        for role, entity in (("head", self.head), ("tail", self.tail)):
            if not 0 <= entity.start < entity.end <= len(self.text):
                raise InputError(
                    f"offsets must satisfy 0 <= start < end <= {len(self.text)}, the text's length",
                    field=role,
                    value=[entity.start, entity.end],
                )
            if not self.text[entity.start : entity.end].strip():
                raise InputError(
                    "the entity is only white space", field=role, value=[entity.start, entity.end]
                )
        if self.head.start < self.tail.end and self.tail.start < self.head.end:
            raise InputError(
                "head and tail overlap",
                field="tail",
                value=[[self.head.start, self.head.end], [self.tail.start, self.tail.end]],
            )

    @property
    def head_text(self) -> str:
        """Return the head's characters."""
        return self.text[self.head.start : self.head.end]

    @property
    def tail_text(self) -> str:
        """Return the tail's characters."""
        return self.text[self.tail.start : self.tail.end]

    def with_relation(self, relation: str) -> Sample:
        """Return the same sentence under another label."""
        return replace(self, relation=relation)

    def exchanged(self, inverses: Mapping[str, str]) -> Sample | None:
        """Return the same sentence with head and tail exchanged, under the inverse label.

        Args:
            inverses: from `RelationSchema.inverses`.

        Returns:
            A sample with an id of its own, and each probability at the inverse label. None when
            the label, or a label with a probability above 0, has no inverse: then it is not known
            what holds in the other direction.
        """
        if self.relation not in inverses:
            return None
        scores = None
        if self.scores is not None:
            likely = {label: p for label, p in self.scores.items() if p > 0}
            if not likely.keys() <= inverses.keys():
                return None
            scores = {inverses[label]: p for label, p in likely.items()}
        return replace(
            self,
            id=f"{self.id}/exchanged",
            head=self.tail,
            tail=self.head,
            relation=inverses[self.relation],
            scores=scores,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object that is stored on a line of a samples file."""
        row: dict[str, Any] = {
            "id": self.id,
            "text": self.text,
            "head": {"start": self.head.start, "end": self.head.end, "type": self.head.type},
            "tail": {"start": self.tail.start, "end": self.tail.end, "type": self.tail.type},
            "relation": self.relation,
            "source": self.source,
        }
        if self.provenance is not None:
            row["provenance"] = dict(self.provenance)
        if self.scores is not None:
            row["scores"] = dict(self.scores)
        return row

    @classmethod
    def from_json(
        cls, row: Any, *, default_id: str | None = None, default_relation: str | None = None
    ) -> Sample:
        """Return the sample that `to_json` wrote.

        Args:
            row: a decoded JSON value.
            default_id: for a row without an id.
            default_relation: for a row without a relation.

        Raises:
            InputError: names the field and the value at fault.
        """
        if not isinstance(row, dict):
            raise InputError("a sample must be a JSON object", value=row)
        provenance = row.get("provenance")
        if provenance is not None and not isinstance(provenance, dict):
            raise InputError("must be an object", field="provenance", value=provenance)
        return cls(
            id=_string(row, "id", default_id),
            text=_string(row, "text"),
            head=_entity(row, "head"),
            tail=_entity(row, "tail"),
            relation=_string(row, "relation", default_relation),
            source=_string(row, "source", "human"),
            provenance=provenance,
            scores=_scores(row),
        )


def iter_samples(
    path: str | Path,
    *,
    skip_bad: bool = False,
    schema: RelationSchema | None = None,
    labelled: bool = True,
    statistics: ReadStatistics | None = None,
) -> Iterator[Sample]:
    """Yield the samples of a JSONL file, with one line in memory at a time.

    Args:
        path: the samples file.
        skip_bad: leave malformed lines out and count them instead of raising.
        schema: when given, a relation that it does not contain is an error of that line.
        labelled: every line must name a relation; otherwise a line without one is `UNLABELLED`.
        statistics: receives the counts.

    Raises:
        CombinedInputError: at the end of the file, one line of text for each malformed line (the
            first 1,000).
        InputError: the file is missing, empty, or not UTF-8.
    """
    checks = RecordChecks(path, skip_bad=skip_bad, statistics=statistics)
    yield from checked_samples(Path(path), checks, schema=schema, labelled=labelled)
    checks.finish()


def checked_samples(
    path: Path,
    checks: RecordChecks,
    *,
    schema: RelationSchema | None = None,
    labelled: bool = True,
) -> Iterator[Sample]:
    """Yield the samples of a JSONL file as `iter_samples` does, with checks of the caller."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            with checks.record(number):
                try:
                    row = json.loads(line)
                except json.JSONDecodeError as error:
                    problem = f"not valid JSON at column {error.colno}: {error.msg}"
                    raise InputError(problem, value=line.strip()) from error
                sample = Sample.from_json(
                    row,
                    default_id=f"{path.stem}-{number}",
                    default_relation=None if labelled else UNLABELLED,
                )
                if schema is not None:
                    schema.check_label(sample.relation)
                if checks.passes(sample.id, number):
                    yield sample


def iter_files(
    paths: Iterable[str | Path], schema: RelationSchema
) -> Iterator[tuple[str | Path, Sample]]:
    """Yield the samples of several files, each with its file, in order.

    Raises:
        InputError: an id occurs twice, or a file is malformed.
    """
    seen: dict[str, str | Path] = {}
    for path in paths:
        for sample in iter_samples(path, schema=schema):
            if sample.id in seen:
                raise InputError(
                    f"the id also occurs in {seen[sample.id]}",
                    path=path,
                    field="id",
                    value=sample.id,
                    remedy="give each sample an id of its own",
                )
            seen[sample.id] = path
            yield path, sample


def read_samples(
    path: str | Path,
    *,
    skip_bad: bool = False,
    schema: RelationSchema | None = None,
    statistics: ReadStatistics | None = None,
) -> list[Sample]:
    """Return all samples of a file as a list; see `iter_samples`."""
    return list(iter_samples(path, skip_bad=skip_bad, schema=schema, statistics=statistics))


def write_samples(path: str | Path, samples: Iterable[Sample]) -> int:
    """Write a samples file atomically; return the number of samples."""
    return write_jsonl(path, (sample.to_json() for sample in samples))


def with_samples(paths: Sequence[str | Path]) -> list[str | Path]:
    """Return the generated files that are not empty; raise InputError when all of them are."""
    full = [path for path in paths if not Path(path).is_file() or Path(path).stat().st_size]
    if paths and not full:
        raise InputError(
            "no draft was accepted",
            path=paths[0],
            remedy="rejected.jsonl in the same folder says why; try another model, or raise "
            "max_drafts_per_sample",
        )
    return full


def normalised(text: str) -> str:
    """Return a text in lower case without punctuation, in which copies of a sentence are equal."""
    return _NOT_ALNUM.sub(" ", text.casefold()).strip()


def repeated_texts(texts: Iterable[str], others: Iterable[str]) -> list[int]:
    """Return the indices of texts that are among the others, ignoring case and punctuation."""
    held_out = {normalised(text) for text in others}
    return [place for place, text in enumerate(texts) if normalised(text) in held_out]


def _string(row: dict[str, Any], name: str, default: str | None = None) -> str:
    value = row.get(name, default)
    if value is None:
        raise InputError("missing", field=name, value=sorted(row))
    if not isinstance(value, str) or not value.strip():
        raise InputError("must be a non-empty text", field=name, value=value)
    return value


def _entity(row: dict[str, Any], role: str) -> Entity:
    value = row.get(role)
    if value is None:
        raise InputError("missing", field=role, value=sorted(row))
    if not isinstance(value, dict):
        raise InputError('must be {"start": …, "end": …, "type": …}', field=role, value=value)
    for name in ("start", "end"):
        offset = value.get(name)
        if not isinstance(offset, int) or isinstance(offset, bool):
            raise InputError("must be a whole number", field=f"{role}.{name}", value=offset)
    kind = value.get("type")
    if kind is not None and not isinstance(kind, str):
        raise InputError("must be a text or null", field=f"{role}.type", value=kind)
    return Entity(value["start"], value["end"], kind)


def _scores(row: dict[str, Any]) -> dict[str, float] | None:
    value = row.get("scores")
    if value is None:
        return None
    if not isinstance(value, dict) or not value:
        raise InputError('must be {"relation": probability, …}', field="scores", value=value)
    for relation, probability in value.items():
        number = isinstance(probability, int | float) and not isinstance(probability, bool)
        if not number or not 0 <= probability <= 1:
            raise InputError(
                "must be a probability, from 0 to 1", field=f"scores.{relation}", value=probability
            )
    if not sum(value.values()) > 0:
        raise InputError("at least one must be above 0", field="scores", value=value)
    return {relation: float(probability) for relation, probability in value.items()}
