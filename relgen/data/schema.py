"""Relation schemas: the labels of a task with their explanations, and the negative label.

name: my-relations
negative: no_relation            # or null
relations:
  founded_by:
    explanation: The head is an organisation that was founded by the tail, a person.
    head_types: [ORGANIZATION]   # optional, like tail_types
    tail_types: [PERSON]
    undirected: founding         # optional: the relation without its direction
  no_relation:
    explanation: None of the other relations holds between head and tail.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from relgen.common import (
    InputError,
    find_schema,
    located,
    nearest_known,
    read,
    read_yaml,
    similar_names,
    write_text,
)
from relgen.data.text import clean_label
from relgen.data.validation import AlikeError

Half = Literal["a", "b"]
_KEYS = ("name", "relations", "negative")
_NEGATIVE_NAMES = {"na", "none", "other", "no_relation"}


@dataclass(frozen=True, slots=True)
class Relation:
    """A label: its explanation in plain words, and the entity types that its roles allow.

    An empty tuple allows every type. `undirected` names the relation without its direction. `title`
    is its name in words, for labels such as `P177` (crosses).
    """

    name: str
    explanation: str
    head_types: tuple[str, ...] = ()
    tail_types: tuple[str, ...] = ()
    undirected: str | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "explanation", " ".join(self.explanation.split()))
        for name in ("title", "undirected"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, clean_label(value, name))

    @property
    def shown(self) -> str:
        """Return the name for prompts and reports: the title, or else the label."""
        return self.title or self.name

    @property
    def group(self) -> str:
        """Return the undirected relation, or else the label."""
        return self.undirected or self.name


@dataclass(frozen=True, slots=True)
class RelationSchema:
    """The relations of a task, in a fixed order; `negative` stands for none of the others."""

    name: str
    relations: tuple[Relation, ...]
    negative: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Return all labels in the schema's order, which is that of a classifier's outputs."""
        return tuple(relation.name for relation in self.relations)

    @property
    def positive_labels(self) -> tuple[str, ...]:
        """Return all labels except the negative one: those that count in micro-F1."""
        return tuple(label for label in self.labels if label != self.negative)

    @property
    def types(self) -> tuple[str, ...]:
        """Return the entity types that the relations name, sorted."""
        return tuple(sorted({t for one in self.relations for t in one.head_types + one.tail_types}))

    @property
    def titles(self) -> dict[str, str]:
        """Return the labels by title, of relations that have one which is no label itself."""
        named = {one.title: one.name for one in self.relations if one.title}
        return {title: label for title, label in named.items() if title not in self.labels}

    def __iter__(self) -> Iterator[Relation]:
        return iter(self.relations)

    def __len__(self) -> int:
        return len(self.relations)

    def __contains__(self, label: object) -> bool:
        return label in self.labels

    def __getitem__(self, label: str) -> Relation:
        self.check_label(label)
        return self.relations[self.labels.index(label)]

    def check_label(self, label: str) -> None:
        """Raise InputError, with similar labels, for a label that is not in the schema."""
        if label not in self.labels:
            near = similar_names(label, self.labels, 3)
            if self.negative is not None and label.lower() in _NEGATIVE_NAMES:
                remedy = (
                    f"its negative label is '{self.negative}': convert the corpus with "
                    f"--rename {label}={self.negative}"
                )
            elif near:
                remedy = f"did you mean {' or '.join(near)}?"
            else:
                remedy = f"its relations: {', '.join(self.labels)}"
            problem = f"not a relation of schema '{self.name}'"
            raise AlikeError(problem, field="relation", value=label, remedy=remedy)

    def allowed(self, head: str | None, tail: str | None) -> tuple[bool, ...]:
        """Return for each label whether it allows a head and a tail of these types.

        The negative label allows all; None is a type that is not known, which every label allows.
        """
        return tuple(
            relation.name == self.negative
            or all(
                kind is None or not types or kind in types
                for kind, types in ((head, relation.head_types), (tail, relation.tail_types))
            )
            for relation in self
        )

    def allows_relation(self, head: str | None, tail: str | None) -> bool:
        """Return whether a label besides the negative one allows entities of these types."""
        allowed = zip(self.labels, self.allowed(head, tail), strict=True)
        return any(fits for label, fits in allowed if label != self.negative)

    def inverses(self) -> dict[str, str]:
        """Return the inverse of each label: the one that holds when head and tail are exchanged.

        The two directions of an undirected relation are each other's inverse. The negative label is
        its own inverse if every other label has one. Other labels are not in the mapping.
        """
        known: dict[str, str] = {}
        for members in self._groups().values():
            directed = [x for x in members if x != self.negative and self[x].undirected]
            if len(directed) == 2:
                first, second = directed
                known |= {first: second, second: first}
        if self.negative is not None and all(label in known for label in self.positive_labels):
            known[self.negative] = self.negative
        return known

    def halves(self, seed: int) -> dict[Half, tuple[str, ...]]:
        """Split the labels into two halves that keep both directions of a relation together.

        Groups are shuffled with the seed and dealt, largest first, to the half with fewer labels.
        Raises InputError if all labels belong to one undirected relation.
        """
        groups = self._groups()
        if len(groups) < 2:
            problem = f"schema '{self.name}' has only one undirected relation: it cannot be halved"
            remedy = "add a relation, or tune without --half"
            raise InputError(problem, field="relations", value=list(self.labels), remedy=remedy)
        order = sorted(groups)
        random.Random(f"halves/{seed}").shuffle(order)
        dealt: dict[Half, list[str]] = {"a": [], "b": []}
        for group in sorted(order, key=lambda g: -len(groups[g])):
            half: Half = "a" if len(dealt["a"]) <= len(dealt["b"]) else "b"
            dealt[half].extend(groups[group])
        return {half: tuple(x for x in self.labels if x in dealt[half]) for half in dealt}

    def _groups(self) -> dict[str, list[str]]:
        """Return the labels of each undirected relation."""
        groups: dict[str, list[str]] = {}
        for relation in self.relations:
            groups.setdefault(relation.group, []).append(relation.name)
        return groups

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the YAML file."""
        relations = {
            relation.name: {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in asdict(relation).items()
                if value and key != "name"
            }
            for relation in self.relations
        }
        return {"name": self.name, "negative": self.negative, "relations": relations}

    def save(self, path: str | Path, *, replace: bool = True) -> None:
        """Write the schema as YAML, with `atomic_writer`."""
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)
        write_text(path, text, replace=replace)


def load_schema(name: str | Path) -> RelationSchema:
    """Read and check a schema file, or a shipped schema by its name.

    relgen ships `everyday`, `semeval`, `tacred` (for TACREV as well) and `retacred`.
    """
    path = find_schema(name)
    content = read_yaml(path, remedy="see the README's example of a schema")
    try:
        return parse_schema(content)
    except InputError as error:
        raise located(error, path) from error


def parse_schema(content: Any) -> RelationSchema:
    """Return the schema of a decoded YAML file. Raise InputError when it is not valid."""
    if not isinstance(content, dict):
        raise InputError(
            "a schema is a mapping with the keys name, negative, relations", value=content
        )
    for key in content:
        if key not in _KEYS:
            remedy = nearest_known(str(key), _KEYS)
            raise InputError("unknown key", field=str(key), value=content[key], remedy=remedy)
    name, entries, negative = map(content.get, _KEYS)
    if not isinstance(name, str) or not name:
        raise InputError("give the schema a name", field="name", value=name)
    if not isinstance(entries, dict) or not entries:
        raise InputError("must map labels to explanations", field="relations", value=entries)
    relations = tuple(_parse_relation(label, entry) for label, entry in entries.items())
    labels = Counter(relation.name for relation in relations)
    if len(labels) < len(entries):
        problem = "two labels differ in the form (NFC, NFD) of their letters only"
        twice = labels.most_common(1)[0][0]
        raise InputError(problem, field="relations", value=twice, remedy="remove one of them")
    if isinstance(negative, list):
        problem = "only one label can be the negative one"
        remedy = "keep one, and explain the others as relations"
        raise InputError(problem, field="negative", value=negative, remedy=remedy)
    if isinstance(negative, str):
        negative = clean_label(negative, "negative")
    if negative is not None and negative not in labels:
        problem = "the negative label must be one of the relations"
        remedy = f"one of {', '.join(map(str, entries))}, or null"
        raise InputError(problem, field="negative", value=negative, remedy=remedy)
    repeated = [title for title, n in Counter(r.shown for r in relations).items() if n > 1]
    if repeated:
        problem = "two relations have this title"
        remedy = "change one of them: prompts name a relation by its title"
        raise InputError(problem, field="relations", value=repeated[0], remedy=remedy)
    if len(relations) < 2:
        problem = "a schema needs at least two relations"
        remedy = "add a negative label such as no_relation, or another relation"
        raise InputError(problem, field="relations", value=list(entries), remedy=remedy)
    return RelationSchema(name, relations, negative)


def _parse_relation(label: Any, entry: Any) -> Relation:
    where = f"relations.{label}"
    if not isinstance(label, str) or not label.strip():
        remedy = "put it in quotes: YAML reads yes, no, on, off and numbers as other types"
        raise InputError("a label must be a string", field="relations", value=label, remedy=remedy)
    label = clean_label(label, "relations")
    if not isinstance(entry, dict):
        raise InputError("must be a mapping with an explanation", field=where, value=entry)
    if "negative" in entry:
        problem = "the negative label is named once, at the top of the schema"
        remedy = f"write `negative: {label}` at the top, next to `name`"
        raise InputError(problem, field=f"{where}.negative", value=entry["negative"], remedy=remedy)
    if "name" in entry:
        remedy = "the label is its name; write `title` for its name in words"
        raise InputError("unknown key", field=f"{where}.name", value=entry["name"], remedy=remedy)
    known = {one.name for one in fields(Relation)}
    for key in entry:
        if key not in known:
            remedy = nearest_known(str(key), known)
            raise InputError("unknown key", field=f"{where}.{key}", value=entry[key], remedy=remedy)
    given = {key: value for key, value in entry.items() if value not in (None, "", [])}
    if "explanation" not in given:
        remedy = "describe in a sentence what holds between head and tail"
        raise InputError("missing", field=f"{where}.explanation", remedy=remedy)
    try:
        return read(Relation, {**given, "name": label})
    except InputError as error:
        raise error.at(field=f"{where}.{error.field}") from None
