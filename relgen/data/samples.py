"""Samples: sentences with a head, a tail and a relation, and the JSON lines that store them.

A samples file holds one JSON object per line:

    {"id": "semeval-train-1", "text": "…", "head": {"start": 10, "end": 15, "type": null},
     "tail": {"start": 30, "end": 36, "type": null}, "relation": "Cause-Effect(e1,e2)",
     "source": "human"}

Offsets count characters of `text`; ends are exclusive. `id` (default: the file's name and line),
`type` and `source` are optional; unknown keys are ignored. `group` names what a split keeps
together beside the sentence. `relgen label` adds `scores`: the probability of each relation. Where
a person set the relation, `review` says who: {"reviewer": "ann", …}; samples with the decision
`rejected` stay in the file, and are read by nothing but a review. A file that ends in `.parquet`
has the same keys as columns.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relgen.common import InputError, decode_json, refuse_unprintable, row_writer
from relgen.data.file_kinds import binary_kind, refuse_unless_lines
from relgen.data.parquet import parquet_rows, sample_columns
from relgen.data.text import clean_label, splits_word
from relgen.data.validation import AlikeError, RecordChecks, json_lines, value_of

if TYPE_CHECKING:
    from relgen.data.schema import Relation, RelationSchema

UNLABELLED = "\0unlabelled"
"""The relation of sentences without a label, which no label can be: it could not be printed."""
_UNLABELLED_REMEDY = (
    "label it (relgen review, relgen label), or leave such samples out: relgen data convert "
    "--skip-bad"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entity:
    """A mention: the characters from `start` to `end` (exclusive) of a text, and its type."""

    start: int
    end: int
    type: str | None = None

    @property
    def span(self) -> tuple[int, int]:
        """Return where the mention begins and ends."""
        return (self.start, self.end)

    def counted_from(self, place: int) -> Entity:
        """Return the entity with offsets in the text that begins at a place."""
        return replace(self, start=self.start - place, end=self.end - place)

    def typed(self, allowed: Sequence[str]) -> Entity:
        """Return the entity, with the only allowed type or none in place of one that is not."""
        if not allowed or self.type is None or self.type in allowed:
            return self
        return replace(self, type=allowed[0] if len(allowed) == 1 else None)


@dataclass(frozen=True, slots=True)
class Sample:
    """A sentence with its head and tail entity and the relation between them.

    The entities may be nested, overlap or be the same.

    Args:
        id: unique within a file; empty for a draft that was just generated.
        source: `human` or `generated`.
        provenance: origin of a generated sample; its keys are those of `parquet.PROVENANCE`.
        scores: the probability of each relation, on which classifiers train instead of `relation`
            unless the sample has a `review`.
        group: what a split keeps together beside the sentence: a document, a patient.
        review: who set the relation, `reviewer`, and what else is known of it (`parquet.REVIEW`).

    Raises:
        InputError: an offset is out of range, or a text or entity is empty.
    """

    id: str
    text: str
    head: Entity
    tail: Entity
    relation: str
    source: str = "human"
    provenance: Mapping[str, Any] | None = field(default=None, hash=False)
    scores: Mapping[str, float] | None = field(default=None, hash=False)
    group: str | None = None
    review: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        for name, value in (("id", self.id), ("text", self.text), ("relation", self.relation)):
            if not value.strip() and name != "id":
                raise InputError("must not be empty", field=name, value=value)
            if name != "text" and value != UNLABELLED:
                refuse_unprintable(value, name)
                if name == "relation" and (label := clean_label(value, name)) != value:
                    object.__setattr__(self, name, label)
            if _SURROGATE.search(value):
                problem = "contains an unpaired surrogate, which UTF-8 cannot encode"
                raise InputError(problem, field=name, value=value)
        length = len(self.text)
        head, tail = ([entity.start, entity.end] for entity in (self.head, self.tail))
        for role, (start, end) in (("head", head), ("tail", tail)):
            if not 0 <= start < end <= length:
                problem = (
                    f"offsets must satisfy 0 <= start < end <= {length}, the text's length in "
                    "characters (code points; relgen data convert --offsets reads other units)"
                )
                raise InputError(problem, field=role, value=[start, end])
            if not self.text[start:end].strip():
                raise InputError("the entity is only white space", field=role, value=[start, end])

    @property
    def head_text(self) -> str:
        return self.text[self.head.start : self.head.end]

    @property
    def tail_text(self) -> str:
        return self.text[self.tail.start : self.tail.end]

    @property
    def overlapping(self) -> bool:
        """Return whether head and tail have a character in common."""
        return self.head.start < self.tail.end and self.tail.start < self.head.end

    @property
    def contexts(self) -> tuple[str, str, str]:
        """Return the texts before, between and after both; overlapping ones have none between."""
        first, second = sorted((self.head, self.tail), key=lambda entity: entity.start)
        end = max(first.end, second.end)
        return self.text[: first.start], self.text[first.end : second.start], self.text[end:]

    @property
    def pair(self) -> tuple[str, int, int, int, int]:
        """Return what two samples of the same entities in the same sentence have in common."""
        return (self.text, *self.head.span, *self.tail.span)

    @property
    def rejected(self) -> bool:
        """Return whether a person threw the sample out."""
        return _is_rejected(self.review)

    def boundaries(self) -> list[tuple[int, str, bool]]:
        """Return where the entities begin (True) and end, each with its role, in the text's order.

        Of entities that begin together the longer one begins first, or else the head.
        """
        entities = {"head": self.head, "tail": self.tail}
        first, second = sorted(entities, key=lambda r: (entities[r].start, -entities[r].end))
        (one, other) = entities[first], entities[second]
        begin, end = (other.start, second, True), (other.end, second, False)
        if one.end <= other.start:
            inner = [(one.end, first, False), begin, end]
        elif other.end <= one.end:
            inner = [begin, end, (one.end, first, False)]
        else:
            inner = [begin, (one.end, first, False), end]
        return [(one.start, first, True), *inner]

    def check_scores(self) -> None:
        """Raise InputError where `scores` prefer another relation, and no person is named."""
        scores = self.scores or {}
        best = max(scores, key=scores.__getitem__, default=self.relation)
        if self.review is None and scores.get(self.relation, 0.0) < scores.get(best, 0.0):
            raise InputError(
                f"the most probable of `scores` is '{best}'",
                field="relation",
                value=self.relation,
                remedy='if a person set it, say who: "review": {"reviewer": "NAME"} (relgen review '
                "does), or remove `scores`",
            )

    def splits_words(self) -> bool:
        """Return whether an entity certainly begins or ends inside a word (see `splits_word`)."""
        places = (*self.head.span, *self.tail.span)
        return any(splits_word(self.text, place) for place in places)

    def with_relation(self, relation: str) -> Sample:
        """Return the same sentence under another label, without what is known of the old one."""
        return replace(self, relation=relation, scores=None, review=None)

    def typed_for(self, relation: Relation) -> Sample:
        """Return the sample with entity types that a relation allows (see `Entity.typed`)."""
        head, tail = self.head.typed(relation.head_types), self.tail.typed(relation.tail_types)
        return replace(self, head=head, tail=tail)

    def exchanged(self, inverses: Mapping[str, str]) -> Sample | None:
        """Return a sample with head and tail exchanged, a new id, and the labels that hold then.

        Return None when its label, or one with a probability above 0, has no inverse (see
        `RelationSchema.inverses`).
        """
        if self.relation not in inverses:
            return None
        scores = None
        if self.scores is not None:
            likely = {label: p for label, p in self.scores.items() if p > 0}
            if not likely.keys() <= inverses.keys():
                return None
            turned = dict.fromkeys(inverses[label] for label in likely)
            scores = {t: sum(p for x, p in likely.items() if inverses[x] == t) for t in turned}
        return replace(
            self,
            id=f"{self.id}/exchanged",
            head=self.tail,
            tail=self.head,
            relation=inverses[self.relation],
            scores=scores,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object for one line of a samples file."""
        row = {
            "id": self.id,
            "text": self.text,
            "head": {"start": self.head.start, "end": self.head.end, "type": self.head.type},
            "tail": {"start": self.tail.start, "end": self.tail.end, "type": self.tail.type},
            "relation": self.relation,
            "source": self.source,
        }
        optional = {"provenance": self.provenance, "scores": self.scores, "review": self.review}
        if self.relation == UNLABELLED:
            del row["relation"]
        row |= {key: dict(value) for key, value in optional.items() if value is not None}
        return row if self.group is None else row | {"group": self.group}

    @classmethod
    def from_json(cls, row: Any, defaults: Mapping[str, str] | None = None) -> Sample:
        """Return the sample of a decoded line, with defaults for its id and relation."""
        if not isinstance(row, dict):
            raise InputError("a sample must be a JSON object", value=row)
        provenance = row.get("provenance")
        if provenance is not None and not isinstance(provenance, dict):
            raise InputError("must be an object", field="provenance", value=provenance)
        known = {"source": "human", **(defaults or {})}

        def text(key: str) -> str:
            missing = row.get(key) is None or (key == "relation" and row[key] == "")
            if key in known and missing:
                return known[key]
            if key == "relation" and row.get(key) is None:
                raise AlikeError("missing", field=key, value=sorted(row), remedy=_UNLABELLED_REMEDY)
            return value_of(row, key, str)

        return cls(
            id=text("id"),
            text=text("text"),
            head=_entity(row, "head"),
            tail=_entity(row, "tail"),
            # one string for all samples with the same: a quarter of a large file's memory
            relation=sys.intern(text("relation")),
            source=sys.intern(text("source")),
            provenance=provenance,
            scores=_scores(row),
            group=None if row.get("group") is None else value_of(row, "group", str),
            review=_review(row),
        )


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most probable relation of a sample, its `score`, and the probabilities of all labels."""

    id: str
    relation: str
    score: float
    scores: Mapping[str, float]

    @classmethod
    def from_probabilities(
        cls, sample_id: str, labels: Sequence[str], probabilities: Sequence[float]
    ) -> Prediction:
        """Predict the most probable label; of equally probable ones, the schema's first."""
        best = max(range(len(labels)), key=lambda index: probabilities[index])
        scores = {
            label: round(float(value), 6)
            for label, value in zip(labels, probabilities, strict=True)
        }
        return cls(sample_id, labels[best], scores[labels[best]], scores)


def iter_samples(
    path: str | Path,
    *,
    skip_bad: bool = False,
    schema: RelationSchema | None = None,
    labelled: bool = True,
    rejected: bool = False,
) -> Iterator[Sample]:
    """Yield the samples of a JSONL or Parquet file, with one line or part in memory at a time.

    Args:
        skip_bad: skip and count malformed lines instead of raising.
        schema: a line whose relation is not in it is malformed; by default all labels are allowed.
        labelled: every line must name a relation; otherwise a line without one, or with null or
            an empty one, is `UNLABELLED`.
        rejected: yield those that a person threw out as well, which need no relation.

    Raises:
        CombinedInputError: at the end of the file, with a message for each malformed line (at most
            ten). A `labelled` one whose `scores` prefer another relation is malformed, too.
        InputError: the file is missing, empty, or not UTF-8.
    """
    checks = RecordChecks(path, skip_bad=skip_bad)
    yield from checked_samples(checks, schema, labelled=labelled, rejected=rejected)


def checked_samples(
    checks: RecordChecks,
    schema: RelationSchema | None = None,
    *,
    labelled: bool | None = True,
    rejected: bool = False,
    amend: Callable[[Any], Any] = lambda row: row,
) -> Iterator[Sample]:
    """Yield the samples of a file as `iter_samples` does, with the caller's checks.

    With `labelled=None`, the first line says whether every line must name a relation. `amend` may
    change a decoded line before it becomes a sample.
    """
    path = Path(checks.path)
    for number, line in _records(path):
        with checks.record(number):
            row = amend(decode_json(line) if isinstance(line, str) else line)
            thrown_out = isinstance(row, dict) and _is_rejected(row.get("review"))
            if labelled is None and not thrown_out:
                labelled = not isinstance(row, dict) or row.get("relation") not in (None, "")
            bare = thrown_out or not labelled
            defaults = {"id": f"{path.stem}-{str(number).strip('[]')}"}
            if bare:
                defaults["relation"] = UNLABELLED
            sample = Sample.from_json(row, defaults)
            if schema is not None and not (bare and sample.relation == UNLABELLED):
                schema.check_label(sample.relation)
            if labelled:
                sample.check_scores()
            if checks.passes(sample.id, number) and (rejected or not thrown_out):
                yield sample
    checks.finish()


def is_parquet(path: Path) -> bool:
    """Return whether a samples file is, or should be by its name, Parquet."""
    return path.suffix == ".parquet" or binary_kind(path) == "parquet"


def _records(path: Path) -> Iterator[tuple[int | str, Any]]:
    """Yield the lines of JSON, or the rows of Parquet, with their places."""
    if not is_parquet(path):
        yield from json_lines(path)
        return
    columns, rows = parquet_rows(path)
    if "head" not in columns.names or not columns.field("head").type.num_fields:
        refuse_unless_lines(path, "parquet")
    for place, row in rows:
        # a struct has all keys in each row, and what this one has not is null; a map is pairs
        known = {key: dict(row.get(key) or {}) for key in ("scores", "provenance", "review")}
        given = {k: {a: b for a, b in v.items() if b is not None} or None for k, v in known.items()}
        yield place, {**row, **given}


def iter_files(
    paths: Iterable[str | Path], schema: RelationSchema | None, *, labelled: bool = True
) -> Iterator[tuple[str | Path, Sample]]:
    """Yield the samples of several files, each with its path; raise InputError for repeated ids.

    For `schema` and `labelled` see `iter_samples`.
    """
    seen: dict[str, str | Path] = {}
    for path in paths:
        for sample in iter_samples(path, schema=schema, labelled=labelled):
            if sample.id in seen:
                problem = f"the id also occurs in {seen[sample.id]}"
                again = path == seen[sample.id]
                remedy = "name the file once" if again else "give each sample another id"
                raise InputError(problem, path=path, field="id", value=sample.id, remedy=remedy)
            seen[sample.id] = path
            yield path, sample


def read_samples(
    path: str | Path, *, skip_bad: bool = False, schema: RelationSchema | None = None
) -> list[Sample]:
    """Return all samples of a file as a list; see `iter_samples`."""
    return list(iter_samples(path, skip_bad=skip_bad, schema=schema))


def check_samples(
    path: str | Path, schema: RelationSchema | None, *, labelled: bool = True
) -> None:
    """Read a samples file to its end, for the errors of `iter_samples`; keep nothing in memory."""
    for _ in iter_samples(path, schema=schema, labelled=labelled):
        pass


def write_samples(path: str | Path, samples: Iterable[Sample], *, replace: bool = True) -> int:
    """Write a samples file, as JSON lines or by its ending as Parquet; return their number.

    For `replace` see `atomic_writer`.
    """
    number = 0
    with row_writer(Path(path), sample_columns, replace=replace) as write:
        for sample in samples:
            write([sample.to_json()])
            number += 1
    return number


def with_samples(paths: Sequence[str | Path]) -> list[str | Path]:
    """Return the generated files that are not empty; raise InputError when all of them are."""
    full = [path for path in paths if not Path(path).is_file() or Path(path).stat().st_size]
    if paths and not full:
        remedy = (
            "see rejected.jsonl in the same folder for the reasons; try another model, or "
            "raise max_drafts_per_sample"
        )
        raise InputError("no draft was accepted", path=paths[0], remedy=remedy)
    return full


def _entity(row: dict[str, Any], role: str) -> Entity:
    value = row.get(role)
    if value is None:
        raise AlikeError("missing", field=role, value=sorted(row))
    if not isinstance(value, dict):
        found = "relgen data convert --format json finds mentions in the text"
        remedy = found if isinstance(value, str) else None
        problem = 'must be {"start": …, "end": …, "type": …}'
        raise InputError(problem, field=role, value=value, remedy=remedy)
    start, end = (value_of(value, name, int, f"{role}.") for name in ("start", "end"))
    kind = value.get("type")
    if kind is not None and not isinstance(kind, str):
        raise InputError("must be a string or null", field=f"{role}.type", value=kind)
    refuse_unprintable(kind or "", f"{role}.type")
    return Entity(start, end, kind)


def _scores(row: dict[str, Any]) -> dict[str, float] | None:
    value = row.get("scores")
    if value is None:
        return None
    if not isinstance(value, dict) or not value:
        raise InputError('must be {"relation": probability, …}', field="scores", value=value)
    for relation, probability in value.items():
        if type(probability) not in (int, float) or not 0 <= probability <= 1:
            problem = "must be a probability from 0 to 1"
            raise InputError(problem, field=f"scores.{relation}", value=probability)
    if not sum(value.values()) > 0:
        raise InputError("at least one must be above 0", field="scores", value=value)
    return {clean_label(label, "scores"): float(share) for label, share in value.items()}


def _is_rejected(review: Any) -> bool:
    return isinstance(review, Mapping) and review.get("decision") == "rejected"


def _review(row: dict[str, Any]) -> dict[str, Any] | None:
    value = row.get("review")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InputError('must be {"reviewer": "NAME", …}', field="review", value=value)
    refuse_unprintable(value_of(value, "reviewer", str, "review."), "review.reviewer")
    for key, kind in (("decision", str), ("comment", str), ("seconds", int | float)):
        if not isinstance(value.get(key, None), kind | None):
            problem = "must be a text" if kind is str else "must be a number"
            raise InputError(problem, field=f"review.{key}", value=value[key])
    return value
