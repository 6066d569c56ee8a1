"""Descriptions of relations to a schema: FewRel's and wiki80's `pid2name.json`.

    {"P177": ["crosses", "obstacle which this bridge crosses over or this tunnel goes under"], …}

Each relation has an id, a name and a description of what Wikidata's property holds. Name and
description become the explanation:

    crosses, from the head to the tail: obstacle which this bridge crosses over or …

FewRel labels its sentences with the ids, wiki80 with the names: either becomes the schema's label,
and the name an id's title.
Where Wikidata had no description, FewRel's file says so in place of one; that is left out.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relgen.common import InputError, read_json
from relgen.data.samples import iter_samples
from relgen.data.schema import RelationSchema, parse_schema

_NO_TEXT = "No description defined"
_REMEDY = 'write {"P177": ["crosses", "obstacle which …"], …}'


@dataclass(frozen=True, slots=True)
class Description:
    """What a file says of one relation."""

    key: str
    name: str
    text: str

    @property
    def explanation(self) -> str:
        """Name and description, with the direction."""
        meaning = f": {self.text}" if self.text else ""
        return f"{self.name}, from the head to the tail{meaning}"


def read_descriptions(path: str | Path) -> list[Description]:
    """Reads the file, in its order.

    Raises:
        InputError: it does not map ids to a name and a description.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise InputError(
            "must be an object that maps relations to names and descriptions",
            path=path,
            value=content,
            remedy=_REMEDY,
        )
    return [_description(key, value, path) for key, value in content.items()]


def schema_from_descriptions(
    descriptions: Sequence[Description],
    *,
    name: str,
    samples: Sequence[str | Path] = (),
    negative: str | None = None,
) -> RelationSchema:
    """Makes a schema, in the order of the descriptions, the negative label last.

    Args:
        descriptions: as `read_descriptions` gives them.
        name: the schema's name.
        samples: samples files, whose relations the schema is limited to; without any, the labels
            are the ids of all descriptions.
        negative: a label for "none of them"; it needs no description.

    Raises:
        InputError: a relation of the samples has no description, or more than one; fewer than two
            relations are left.
    """
    labels = {description.key: description for description in descriptions}
    if samples:
        found = _labels(samples, negative)
        labels = {label: _describing(label, descriptions, path) for label, path in found.items()}
    names = [description.name for description in labels.values()]
    order = {description.key: place for place, description in enumerate(descriptions)}
    relations = {
        label: {
            # a name that two ids share tells them apart no better than the ids do
            **(
                {"title": description.name}
                if label != description.name and names.count(description.name) == 1
                else {}
            ),
            "explanation": description.explanation,
        }
        for label, description in sorted(labels.items(), key=lambda item: order[item[1].key])
    }
    if negative is not None:
        relations.setdefault(
            negative,
            {"explanation": "None of the other relations holds between the head and the tail."},
        )
    return parse_schema({"name": name, "negative": negative, "relations": relations})


def _labels(samples: Sequence[str | Path], negative: str | None) -> dict[str, str | Path]:
    """The relations of samples files but the negative one, each with the file that has it first."""
    found: dict[str, str | Path] = {}
    for path in samples:
        for sample in iter_samples(path):
            if sample.relation != negative:
                found.setdefault(sample.relation, path)
    return found


def _describing(label: str, descriptions: Sequence[Description], path: str | Path) -> Description:
    """The description that a label of a samples file means, by id before name."""
    matches = [x for x in descriptions if x.key == label]
    matches = matches or [x for x in descriptions if x.name == label]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InputError(
            f"the name of {' and '.join(x.key for x in matches)}",
            path=path,
            field="relation",
            value=label,
            remedy="give one of them another name in the descriptions",
        )
    names = [name for x in descriptions for name in (x.key, x.name)]
    near = difflib.get_close_matches(label, names, n=1)
    raise InputError(
        "a relation without a description",
        path=path,
        field="relation",
        value=label,
        remedy=(f"did you mean '{near[0]}'? " if near else "")
        + "describe it, or name the label for none of the relations with --negative",
    )


def _description(key: str, value: Any, path: str | Path) -> Description:
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(isinstance(text, str) for text in value)
        or not value[0].strip()
    ):
        raise InputError(
            "must be [name, description]", path=path, field=key, value=value, remedy=_REMEDY
        )
    name, text = (" ".join(part.split()) for part in value)
    return Description(key, name, "" if text == _NO_TEXT else text)
