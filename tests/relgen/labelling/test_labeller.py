"""A row of a labelled sample."""

from __future__ import annotations

from relgen.data.samples import Entity, Prediction, Sample
from relgen.data.schema import Relation, RelationSchema
from relgen.labelling import labeller


def test_types_that_the_read_relation_does_not_allow_are_dropped() -> None:
    schema = RelationSchema(
        "s",
        (
            Relation("born_in", "…", ("PERSON",), ("CITY", "COUNTRY")),
            Relation("made_by", "…", ("THING",), ("PERSON", "COMPANY")),
        ),
    )
    sample = Sample("1", "Ann in Bern", Entity(0, 3, "PERSON"), Entity(7, 11, "CITY"), "born_in")

    def relabelled(*probabilities: float) -> Sample:
        read = Prediction.from_probabilities("1", schema.labels, probabilities)
        return labeller._relabel(sample, schema, read)

    kept = relabelled(0.9, 0.1)
    assert (kept.head, kept.tail) == (sample.head, sample.tail)
    changed = relabelled(0.1, 0.9)
    assert (changed.head.type, changed.tail.type) == ("THING", None)
