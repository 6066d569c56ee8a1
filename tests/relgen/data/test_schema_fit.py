"""Labels, titles and entity types of samples beside a schema."""

from __future__ import annotations

import pytest

from relgen.common.errors import CombinedInputError, InputError
from relgen.data.samples import UNLABELLED, Entity, Sample
from relgen.data.schema import Relation, RelationSchema
from relgen.data.schema_fit import SchemaFit

SCHEMA = RelationSchema(
    "s",
    (
        Relation("P1", "x", head_types=("ORG",), title="leads"),
        Relation("runs", "x", title="none"),  # which is a label as well
        Relation("none", "x", title="nothing"),
    ),
    "none",
)


def sample(relation: str, head: str | None = None) -> Sample:
    return Sample("a", "Ann runs Bolt.", Entity(0, 3, head), Entity(9, 13), relation)


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ("P1", "P1"),
        ("leads", "P1"),
        ("none", "none"),
        ("nothing", "none"),
        (UNLABELLED, UNLABELLED),
        ("lead", None),
    ],
)
def test_titles_become_labels(given: str, label: str | None) -> None:
    found = SchemaFit(SCHEMA).labelled(sample(given))
    assert (found and found.relation) == label


def test_unknown_labels_are_named_once_each() -> None:
    fit = SchemaFit(SCHEMA)
    fit.refuse_unknown("s.csv")
    for relation in ("rusn", "rusn", "none"):
        fit.labelled(sample(relation))
    with pytest.raises(InputError, match=r"^s\.csv: .*'s' \(2 samples, the first a\) .*mean runs"):
        fit.refuse_unknown("s.csv")
    fit.labelled(sample("sold"))
    with pytest.raises(CombinedInputError) as caught:
        fit.refuse_unknown("s.csv")
    assert len(str(caught.value).splitlines()) == 2


def test_excluded_types_are_a_doubt() -> None:
    fit = SchemaFit(SCHEMA)
    for head in (None, "ORG"):
        fit.labelled(sample("P1", head))
    assert fit.doubts() == []
    fit.labelled(sample("P1", "PER"))
    assert fit.doubts() == [
        "1 sample with entity types that the schema excludes for the relation, the first a: P1 "
        "between PER and None"
    ]
