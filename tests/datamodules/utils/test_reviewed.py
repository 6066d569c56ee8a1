"""Reviewed samples in the place of those that they were."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datamodules.utils.reviewed import Reviewed
from relgen.common.errors import InputError
from relgen.data.arrow import load_table
from relgen.data.samples import Sample, write_samples
from tests.datamodules.relation_data import made
from tests.tiny.encoders import SCHEMA, samples

ANN = {"reviewer": "ann", "decision": "changed"}


def written(files: Path) -> list[Sample]:
    """Write samples that a model labelled, a review of them, and one that was added."""
    first, second, *_ = SCHEMA.labels
    scores = {first: 0.9, second: 0.1}
    three = [
        replace(one, scores=scores, relation=first, source="generated")
        for one in samples(3, source="generated", skip=12)
    ]
    write_samples(files / "generated.jsonl", three)
    changed = replace(three[0], relation=second, review=ANN)
    foreign = replace(three[1], text=f"{three[1].text} !", relation=second, review=ANN)
    (mine,) = samples(1, source="mine", skip=40)
    added = replace(mine, review={"reviewer": "ann", "decision": "added"})
    rejected = replace(three[2], review={"reviewer": "ann", "decision": "rejected"})
    write_samples(files / "reviewed.jsonl", [changed, foreign, rejected, added])
    return three


def test_those_reviewed_are_exchanged_and_those_rejected_left_out(files: Path) -> None:
    three = written(files)
    reviewed = Reviewed(files / "reviewed.jsonl")
    table, number = reviewed.applied(load_table(files / "generated.jsonl"))
    # the second has another text: it is of another run
    assert (table["id"], number) == ([three[1].id, three[0].id], 2)
    assert table["relation"] == [SCHEMA.labels[0], SCHEMA.labels[1]]
    assert [row["reviewer"] for row in table["review"]] == [None, "ann"]
    assert (len(reviewed), reviewed.written()["id"]) == (3, ["mine-40"])


def test_those_rejected_are_never_trained_on(files: Path) -> None:
    written(files)
    (files / "generated.jsonl").write_bytes((files / "reviewed.jsonl").read_bytes())
    data = made(files, give=("generated",), mix="pure", batch_size=16, balanced=False)
    assert data.describe()["files"]["generated"]["samples"] == 3


def test_a_training_takes_them(files: Path, caplog: Any) -> None:
    three = written(files)
    caplog.set_level(logging.WARNING)
    give = ("human", "generated", "reviewed")
    data = made(files, give=give, batch_size=16, balanced=False)
    rows = {
        name: (label, bool(generated), target)
        for batch in data.train_dataloader()
        for name, label, generated, target in zip(
            batch.ids,
            batch.labels.tolist(),
            batch.generated.tolist(),
            batch.targets.tolist(),
            strict=True,
        )
    }
    assert rows[three[0].id] == (1, True, [0.0] * len(SCHEMA))
    assert rows[three[1].id][2][:2] == pytest.approx([0.9, 0.1])
    assert three[2].id not in rows
    assert rows["mine-40"][1] is False  # with the human ones
    described = data.describe()["files"]
    assert {name: entry["samples"] for name, entry in described.items()} == {
        "human": 13,
        "generated": 2,
        "reviewed": 2,
    }
    assert [r.getMessage() for r in caplog.records if "people decided" in r.getMessage()] == [
        "2 of the 3 samples that people decided on in "
        f"{files / 'reviewed.jsonl'} are among those to train on"
    ]
    assert "reviewed" not in made(files, give=give, mix="human").describe()["files"]


def test_a_leak_is_looked_for_where_people_wrote_it(files: Path) -> None:
    written(files)
    write_samples(files / "test.jsonl", samples(1, source="test", skip=40))
    with pytest.raises(InputError, match=r"reviewed\.jsonl: 1 training .* first: id 'mine-40'"):
        made(files, give=("human", "generated", "reviewed", "test"))


def test_a_review_of_other_samples_is_refused(files: Path) -> None:
    written(files)
    write_samples(files / "generated.jsonl", samples(3, source="generated", skip=20))
    (files / "reviewed.jsonl").write_text(
        (files / "reviewed.jsonl").read_text("utf-8").replace('"added"', '"accepted"'), "utf-8"
    )
    with pytest.raises(InputError, match=r"reviewed\.jsonl: none of the 4 reviewed samples are"):
        made(files, give=("human", "generated", "reviewed"))
