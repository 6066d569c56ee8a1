"""What is read, and a row of a labelled sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from relgen.data.samples import Entity, Prediction, Sample, write_samples
from relgen.data.schema import Relation, RelationSchema, load_schema
from relgen.labelling import labeller
from relgen.labelling.labeller import Labeller, LabelTask
from relgen.labelling.settings import LabelSettings
from tests.relgen.labelling.words import Words, sample, write_files
from tests.tiny.languages import corpus

pytestmark = pytest.mark.compute


def test_types_that_the_read_relation_does_not_allow_are_dropped() -> None:
    schema = RelationSchema(
        "s",
        (
            Relation("born_in", "…", ("PERSON",), ("CITY", "COUNTRY")),
            Relation("made_by", "…", ("THING",), ("PERSON", "COMPANY")),
        ),
    )
    one = Sample("1", "Ann in Bern", Entity(0, 3, "PERSON"), Entity(7, 11, "CITY"), "born_in")

    def relabelled(*probabilities: float) -> Sample:
        read = Prediction.from_probabilities("1", schema.labels, probabilities)
        return labeller._relabel(one, schema, read)

    kept = relabelled(0.9, 0.1)
    assert (kept.head, kept.tail) == (one.head, one.tail)
    changed = relabelled(0.1, 0.9)
    assert (changed.head.type, changed.tail.type) == ("THING", None)


def test_a_language_that_the_model_does_not_know_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(labeller, "StateReader", lambda *_: Words())
    settings = LabelSettings(model="tiny")
    labeller.open_reader(settings, [sample(0, "cause", "xcause")])
    assert capsys.readouterr().err == ""
    labeller.open_reader(settings, corpus("Russian"))
    said = capsys.readouterr().err
    assert said.startswith("warning: the sentences are in Russian, which tiny hardly knows (its")
    assert said.endswith("use a multilingual model, such as Qwen/Qwen3-1.7B\n")


@pytest.mark.parametrize(("near_copies", "left_out"), [(True, {}), (False, {"near_copy": 4})])
def test_near_copies_of_labelled_sentences_are_read_if_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, near_copies: bool, left_out: dict[str, int]
) -> None:
    monkeypatch.setattr(labeller, "StateReader", lambda *_: Words())
    files = write_files(tmp_path)
    # but for a name they are those of train.jsonl
    raw = [sample(i, "?", "xplace", "raw") for i in (1, 4, 7, 10)]
    raw = [replace(one, text=one.text.replace("Ann", "Bob")) for one in raw]
    far = sample(9, "?", "xnone", "far")
    other = far.text.replace("they say", "so I was told by a friend")
    write_samples(tmp_path / "raw.jsonl", [*raw, replace(far, text=other)])
    settings, schema = LabelSettings(ignore_relations=True), load_schema(files["s"])
    task = LabelTask(settings, schema, files["train"], None, near_copies=near_copies)
    made, counted = Labeller(task), Counter[str]()
    found = list(made.usable(task.samples([tmp_path / "raw.jsonl"]), counted, []))
    assert len(found) == len(made(found)[0]) == (5 if near_copies else 1)
    assert found[-1].id == "far-9"
    assert {why: n for why, n in counted.items() if n} == left_out
    assert made.fitted[1] == 1.0
