"""`RelationSchema`: the labels of a task, what each one means, and which one is negative.

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

import difflib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from relgen.common import InputError, find_schema, located, read_yaml, write_text

Half = Literal["a", "b"]
_SCHEMA_KEYS = {"name", "negative", "relations"}
_RELATION_KEYS = {"title", "explanation", "head_types", "tail_types", "undirected"}
_NEGATIVE_NAMES = {"na", "none", "other", "no_relation"}


@dataclass(frozen=True, slots=True)
class Relation:
    """One label: its explanation in plain words, and the entity types that its roles allow.

    Empty type tuples allow every type. `undirected` names the relation without its direction.
    `title` is its name in words, where the label is none (`P177`: crosses).
    """

    name: str
    explanation: str
    head_types: tuple[str, ...] = ()
    tail_types: tuple[str, ...] = ()
    undirected: str | None = None
    title: str | None = None

    @property
    def shown(self) -> str:
        """What the relation is called where its name is to be understood."""
        return self.title or self.name

    @property
    def group(self) -> str:
        """The undirected relation that the label belongs to; itself when it names none."""
        return self.undirected or self.name


@dataclass(frozen=True, slots=True)
class RelationSchema:
    """The relations of a task, in a fixed order.

    Args:
        name: the schema's name.
        relations: at least two labels.
        negative: the label that stands for "none of them", where the task has one.
    """

    name: str
    relations: tuple[Relation, ...]
    negative: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the schema's order: a classifier's outputs follow it."""
        return tuple(relation.name for relation in self.relations)

    @property
    def positive_labels(self) -> tuple[str, ...]:
        """The labels that count in micro-F1: all but the negative one."""
        return tuple(label for label in self.labels if label != self.negative)

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
        """Raises InputError, naming the nearest labels, for a label it does not hold."""
        if label not in self.labels:
            near = difflib.get_close_matches(label, self.labels, n=3)
            if self.negative is not None and label.lower() in _NEGATIVE_NAMES:
                remedy = (
                    f"its negative label is '{self.negative}': convert the corpus with "
                    f"--rename {label}={self.negative}"
                )
            elif near:
                remedy = f"did you mean {' or '.join(near)}?"
            else:
                remedy = f"its relations: {', '.join(self.labels)}"
            raise InputError(
                f"not a relation of schema '{self.name}'",
                field="relation",
                value=label,
                remedy=remedy,
            )

    def inverses(self) -> dict[str, str]:
        """For each label the one that holds when head and tail are exchanged, where that is known.

        The two directions of an undirected relation are each other's inverse. The negative label is
        its own where every other label has one: then no relation holds in either direction.
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
        """Splits the labels in two; both directions of a relation land in the same half.

        Groups are shuffled with the seed and dealt, largest first, to the half with fewer labels.

        Raises:
            InputError: all labels belong to one undirected relation.
        """
        groups = self._groups()
        if len(groups) < 2:
            raise InputError(
                f"schema '{self.name}' has one relation only, and two halves need two",
                field="relations",
                value=list(self.labels),
                remedy="add a relation, or tune without --half",
            )
        order = sorted(groups)
        random.Random(f"halves/{seed}").shuffle(order)
        dealt: dict[Half, list[str]] = {"a": [], "b": []}
        for group in sorted(order, key=lambda g: -len(groups[g])):
            half: Half = "a" if len(dealt["a"]) <= len(dealt["b"]) else "b"
            dealt[half].extend(groups[group])
        return {half: tuple(x for x in self.labels if x in dealt[half]) for half in dealt}

    def _groups(self) -> dict[str, list[str]]:
        """The labels of each undirected relation."""
        groups: dict[str, list[str]] = {}
        for relation in self.relations:
            groups.setdefault(relation.group, []).append(relation.name)
        return groups

    def to_dict(self) -> dict[str, Any]:
        """The mapping that its YAML file holds."""
        relations: dict[str, Any] = {}
        for relation in self.relations:
            entry: dict[str, Any] = {"title": relation.title} if relation.title else {}
            entry["explanation"] = relation.explanation
            if relation.head_types:
                entry["head_types"] = list(relation.head_types)
            if relation.tail_types:
                entry["tail_types"] = list(relation.tail_types)
            if relation.undirected:
                entry["undirected"] = relation.undirected
            relations[relation.name] = entry
        return {"name": self.name, "negative": self.negative, "relations": relations}

    def save(self, path: str | Path) -> None:
        """Writes the schema as YAML, atomically."""
        write_text(path, yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))


def load_schema(name: str | Path) -> RelationSchema:
    """Reads and checks a schema file, or one that relgen ships by its name.

    These are `everyday`, `semeval`, `tacred` (for TACREV as well) and `retacred`.

    Raises:
        InputError: names the file, the key and the remedy.
    """
    path = find_schema(name)
    content = read_yaml(path, remedy="see the README's example of a schema")
    try:
        return parse_schema(content)
    except InputError as error:
        raise located(error, path) from error


def parse_schema(content: Any) -> RelationSchema:
    """Checks a decoded schema and turns it into a `RelationSchema`.

    Raises:
        InputError: an unknown key, a missing explanation, a negative label that is no relation or
            more than one, fewer than two relations.
    """
    if not isinstance(content, dict):
        raise InputError("a schema is a mapping with the keys name, negative, relations")
    _refuse_unknown(content, _SCHEMA_KEYS, "schema")
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise InputError("give the schema a name", field="name", value=name)
    entries = content.get("relations")
    if not isinstance(entries, dict) or not entries:
        raise InputError("must map labels to explanations", field="relations", value=entries)
    relations = tuple(_parse_relation(label, entry) for label, entry in entries.items())
    negative = content.get("negative")
    if isinstance(negative, list):
        raise InputError(
            "only one label can be the negative one",
            field="negative",
            value=negative,
            remedy="keep one; the others are relations with explanations of their own",
        )
    if negative is not None and negative not in entries:
        raise InputError(
            "the negative label must be one of the relations",
            field="negative",
            value=negative,
            remedy=f"one of {', '.join(map(str, entries))}, or null",
        )
    shown = [relation.shown for relation in relations]
    if len(set(shown)) < len(shown):
        twice = next(name for name in shown if shown.count(name) > 1)
        raise InputError(
            "two relations have this title",
            field="relations",
            value=twice,
            remedy="a model is asked for a relation by its title: give one of them another",
        )
    if len(relations) < 2:
        raise InputError(
            "a schema needs at least two relations",
            field="relations",
            value=list(entries),
            remedy="add a negative label such as no_relation, or another relation",
        )
    return RelationSchema(name, relations, negative)


def _parse_relation(label: Any, entry: Any) -> Relation:
    where = f"relations.{label}"
    if not isinstance(label, str) or not label.strip():
        raise InputError(
            "a label must be a text",
            field="relations",
            value=label,
            remedy="put it in quotes: YAML takes yes, no, on, off and numbers for something else",
        )
    if not isinstance(entry, dict):
        raise InputError("must be a mapping with an explanation", field=where, value=entry)
    if "negative" in entry:
        raise InputError(
            "the negative label is named once, at the top of the schema",
            field=f"{where}.negative",
            value=entry["negative"],
            remedy=f"write `negative: {label}` beside `name`",
        )
    _refuse_unknown(entry, _RELATION_KEYS, where)
    explanation = entry.get("explanation")
    if not isinstance(explanation, str) or not explanation.strip():
        raise InputError(
            "missing",
            field=f"{where}.explanation",
            value=explanation,
            remedy="say in a sentence what holds between head and tail",
        )
    types = {}
    for key in ("head_types", "tail_types"):
        value = entry.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputError(
                "must be a list of entity types", field=f"{where}.{key}", value=entry[key]
            )
        types[key] = tuple(value)
    names = {key: entry.get(key) for key in ("undirected", "title")}
    for key, value in names.items():
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise InputError("must be a text", field=f"{where}.{key}", value=value)
    return Relation(
        label,
        " ".join(explanation.split()),
        undirected=names["undirected"],
        title=names["title"],
        **types,
    )


def _refuse_unknown(mapping: dict[Any, Any], known: set[str], where: str) -> None:
    for key in mapping:
        if key not in known:
            near = difflib.get_close_matches(str(key), sorted(known), n=1)
            raise InputError(
                f"unknown key in {where}",
                field=str(key),
                value=mapping[key],
                remedy=f"did you mean '{near[0]}'?"
                if near
                else f"known keys: {', '.join(sorted(known))}",
            )
