"""Builds a schema from descriptions of relations: FewRel's and wiki80's `pid2name.json`.

    {"P177": ["crosses", "obstacle which this bridge crosses over or this tunnel goes under"], …}

Each entry holds the id, the name and the description of a Wikidata property. Name and description
become the explanation:

    crosses, from the head to the tail: obstacle which this bridge crosses over or …

FewRel labels its sentences with ids, wiki80 with names: either becomes the schema's label, and the
name becomes an id's title. FewRel's `No description defined` is dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from relgen.common import InputError, decode_json, read_json, read_lines, similar_names
from relgen.data.samples import iter_samples
from relgen.data.schema import RelationSchema, parse_schema

_NO_TEXT = "No description defined"
_REMEDY = 'write {"P177": ["crosses", "obstacle which …"], …}, and name samples with --samples'


class Description(NamedTuple):
    """The id, name and description of one relation."""

    key: str
    name: str
    text: str


def read_descriptions(path: str | Path) -> list[Description]:
    """Read a file of descriptions. Raise InputError for another format."""
    if _has_samples(path):
        problem = "these are samples, where names and descriptions of relations are expected"
        raise InputError(problem, path=path, remedy=_REMEDY)
    try:
        content = read_json(path)
    except InputError as error:
        raise (error.at(remedy=_REMEDY) if error.line else error) from error
    if not isinstance(content, dict) or not content:
        problem = "must be an object that maps relations to names and descriptions"
        raise InputError(problem, path=path, value=content, remedy=_REMEDY)
    descriptions = []
    for key, value in content.items():
        match value:
            case [str(name), str(text)] if name.strip():
                name, text = " ".join(name.split()), " ".join(text.split())
                descriptions.append(Description(key, name, "" if text == _NO_TEXT else text))
            case _:
                problem = "must be [name, description]"
                raise InputError(problem, path=path, field=key, value=value, remedy=_REMEDY)
    return descriptions


def _has_samples(path: str | Path) -> bool:
    """Return whether a file begins with a sample, as a line or in an array."""
    try:
        record = decode_json(next(read_lines(path), ""))
    except InputError:
        return False
    first = record[0] if isinstance(record, list) and record else record
    return isinstance(first, dict) and first.keys() >= {"text", "head", "tail"}


def schema_from_descriptions(
    descriptions: Sequence[Description],
    *,
    name: str,
    samples: Sequence[str | Path] = (),
    negative: str | None = None,
) -> RelationSchema:
    """Return a schema in the order of the descriptions, with the negative label last.

    The labels are the relations of the samples files, or by default the ids of all descriptions.
    The negative label needs no description. Raises InputError if a relation of the samples has no
    description or more than one, or there are fewer than two relations.
    """
    named = {description.key: description for description in descriptions}
    if samples:
        found = {sample.relation: path for path in samples for sample in iter_samples(path)}
        found.pop(negative or "", None)
        named = {label: _describing(label, descriptions, path) for label, path in found.items()}
    times = Counter(description.name for description in named.values())
    relations: dict[str, Any] = {}
    for label, (_, name_, text) in sorted(named.items(), key=lambda x: descriptions.index(x[1])):
        explanation = f"{name_}, from the head to the tail" + (f": {text}" if text else "")
        # a title must be unique
        title = name_ if label != name_ and times[name_] == 1 else None
        relations[label] = {"explanation": explanation, "title": title}
    if negative is not None:
        none = "None of the other relations holds between the head and the tail."
        relations.setdefault(negative, {"explanation": none})
    return parse_schema({"name": name, "negative": negative, "relations": relations})


def _describing(label: str, descriptions: Sequence[Description], path: str | Path) -> Description:
    """Find the description of a label by id, or else by name."""
    named = [x for x in descriptions if x.key == label]
    matches = named or [x for x in descriptions if x.name == label]
    if len(matches) == 1:
        return matches[0]
    if matches:
        problem = f"several relations have this name: {', '.join(x.key for x in matches)}"
        remedy = "rename one of them in the descriptions"
        raise InputError(problem, path=path, field="relation", value=label, remedy=remedy)
    names = [name for x in descriptions for name in (x.key, x.name)]
    near = similar_names(label, names)
    problem = "no description for this relation"
    meant = f"did you mean '{near[0]}'? " if near else ""
    remedy = f"{meant}describe it, or give the negative label with --negative"
    raise InputError(problem, path=path, field="relation", value=label, remedy=remedy)
