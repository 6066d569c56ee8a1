"""Counts of labelled samples, and the two files that they go to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relgen.data.schema import Relation, RelationSchema
from relgen.labelling.tally import Tally, write_labelled
from tests.relgen.labelling.words import LABELS

pytestmark = pytest.mark.compute

SCHEMA = RelationSchema("s", tuple(Relation(name, name) for name in LABELS), "none")
# what it was meant to be, and its label
PAIRS = [("cause", "cause"), ("cause", "place"), ("none", "none"), (None, "place")]


def row(number: int, probability: float = 0.9) -> dict[str, Any]:
    intended, relation = PAIRS[number]
    scores = {relation: probability}
    return {"sample": {"id": number, "relation": relation, "scores": scores}, "intended": intended}


def test_counts_add_up_to_those_of_all(tmp_path: Path) -> None:
    rows, files = [row(number) for number in range(4)], (tmp_path / "a", tmp_path / "b")
    both = Tally()
    for part in (rows[:1], rows[1:]):
        found = write_labelled(part, [], files, lambda: None, least=0.0)
        found.left_out["too_long"] += 1
        both.add(found.to_json())
    summary = both.summary(SCHEMA)
    # cause and place: of two predictions one is right, of two that were meant one is found
    assert summary["given_micro_f1"] == pytest.approx(0.5)
    assert (summary["samples"], summary["agreed"], summary["left_out"]) == (4, 2, {"too_long": 2})
    assert summary["relations"]["cause"] == {"intended": 2, "labelled": 1, "agreed": 1}
    assert summary["relations"]["place"] == {"intended": 0, "labelled": 2, "agreed": 0}
    assert Tally().summary(SCHEMA)["given_micro_f1"] is None


def test_uncertain_rows_have_a_file_which_is_not_there_without_any(tmp_path: Path) -> None:
    rows, files = [row(0), row(1, 0.4), row(2), row(3)], (tmp_path / "a", tmp_path / "b")
    found = write_labelled(rows, [], files, lambda: None, least=0.5, chosen={0, 1})
    assert (found.uncertain, found.kept) == (1, {("cause", "cause"): 1})
    assert [len(file.read_text().splitlines()) for file in files] == [1, 1]
    write_labelled(rows, [], files, lambda: None, least=0.1)
    assert [file.exists() for file in files] == [True, False]
