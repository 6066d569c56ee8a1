"""Human and generated files under one set of Arrow features."""

import json
from dataclasses import replace

import pytest
from datasets import load_dataset

from relgen.common.errors import InputError
from relgen.data.arrow import FEATURES, load_table
from relgen.data.parquet import PROVENANCE, REVIEW
from relgen.data.samples import Entity, Sample, read_samples, write_samples

HUMAN = Sample("h", "Ann in Bern", Entity(0, 3), Entity(7, 11), "x")
TYPED = Sample("t", "Ann in Bern", Entity(0, 3, "PERSON"), Entity(7, 11, "PLACE"), "x")
GENERATED = Sample(
    "g",
    "Bern has Ann",
    Entity(9, 12),
    Entity(0, 4),
    "x",
    "generated",
    {**dict.fromkeys(PROVENANCE), "model": "m", "step": 3, "mean_token_logprob": -0.5},
)
NOTHING = dict.fromkeys(PROVENANCE)
UNSEEN = dict.fromkeys(REVIEW)


@pytest.fixture
def files(tmp_path):
    write_samples(tmp_path / "human.jsonl", [HUMAN, TYPED])
    write_samples(tmp_path / "generated.jsonl", [GENERATED])
    write_samples(tmp_path / "both.jsonl", [HUMAN, GENERATED])
    return tmp_path


@pytest.mark.parametrize(
    ("name", "ids"), [("human", ["h", "t"]), ("generated", ["g"]), ("both", ["h", "g"])]
)
def test_human_and_generated_files_load_with_and_without_relgen(files, name, ids):
    path = str(files / f"{name}.jsonl")
    ours = load_table(path)
    plain = load_dataset("json", data_files=path, features=FEATURES)["train"]
    for table in (ours, plain):
        assert table["id"] == ids
        assert table.features == FEATURES
        rows = {row["id"]: row for row in table}
        assert all(
            (rows[key]["provenance"] or NOTHING) == NOTHING for key in ids if key in ("h", "t")
        )
        if "g" in rows:
            row = {**rows["g"], "review": rows["g"]["review"] or UNSEEN}
            assert row == {**GENERATED.to_json(), "scores": None, "review": UNSEEN}
        if "t" in rows:
            assert rows["t"]["tail"] == {"start": 7, "end": 11, "type": "PLACE"}


def test_a_table_holds_what_read_samples_gives(files):
    row = {"text": "Ann in Bern", "head": {"start": 0, "end": 3}, "tail": {"start": 7, "end": 11}}
    path = files / "mine.jsonl"
    path.write_text(json.dumps({**row, "relation": "x", "extra": [1]}) + "\n")
    (sample,) = read_samples(path)
    lacking = {"provenance": NOTHING, "scores": None, "review": UNSEEN}
    assert load_table(path)[0] == {**sample.to_json(), **lacking}


def test_scores_are_kept_as_pairs(files):
    scores = {"x": 0.75, "y": 0.25}
    write_samples(files / "labelled.jsonl", [replace(GENERATED, scores=scores), HUMAN])
    assert read_samples(files / "labelled.jsonl")[0].scores == scores
    table = load_table(files / "labelled.jsonl")
    assert table[0]["scores"] == [
        {"relation": "x", "probability": 0.75},
        {"relation": "y", "probability": 0.25},
    ]
    assert table[1]["scores"] is None


def test_a_review_is_kept(files):
    review = {"reviewer": "ann", "seconds": 4, "comment": None}
    write_samples(files / "reviewed.jsonl", [replace(GENERATED, review=review), HUMAN])
    kept, other = load_table(files / "reviewed.jsonl")
    assert kept["review"] == {**UNSEEN, "reviewer": "ann", "seconds": 4.0}
    assert other["review"] == UNSEEN


def test_a_changed_file_is_read_anew(files):
    path = files / "human.jsonl"
    assert len(load_table(path)) == 2
    write_samples(path, [HUMAN])
    assert len(load_table(path)) == 1


def test_bad_files_raise_as_they_do_elsewhere(files):
    with pytest.raises(InputError, match="no such file"):
        load_table(files / "none.jsonl")
    (files / "bad.jsonl").write_text("{\n")
    with pytest.raises(InputError, match=r"bad\.jsonl:1: not valid JSON"):
        load_table(files / "bad.jsonl")
