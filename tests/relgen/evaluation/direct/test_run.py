"""Classifying a file: what is written, how it goes on, and how wrong answers count."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample, write_samples
from relgen.data.schema import RelationSchema
from relgen.evaluation.direct import run
from relgen.evaluation.direct.run import Row, classify
from relgen.evaluation.settings import DirectOptions, DirectSettings

SCHEMA = """
name: weather
negative: none
relations:
  causes: {explanation: The head causes the tail.}
  ends: {explanation: The head ends the tail.}
  none: {explanation: Neither.}
"""
GOLD = ["causes", "ends", "none", "causes", "ends", "none"]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "s.yaml").write_text(SCHEMA)
    for name, word in (("train", "Snow"), ("test", "Rain")):
        samples = [
            Sample(
                f"t{i}",
                f"{word} {'x' * (9 - i)} floods.",
                Entity(0, 4),
                Entity(15 - i, 21 - i),
                label,
            )
            for i, label in enumerate(GOLD)
        ]
        write_samples(tmp_path / f"{name}.jsonl", samples)
    names = {"train": "train.jsonl", "test": "test.jsonl", "schema": "s.yaml"}
    return {key: str(tmp_path / name) for key, name in names.items()}


def asker(says: dict[str, str | None]) -> object:
    """Stands for the model: answers by the sample's id."""

    def open_model(
        settings: DirectSettings, schema: RelationSchema, shown: Sequence[Sample]
    ) -> run.Asker:
        def ask(samples: Sequence[Sample]) -> list[Row]:
            labels = [says[sample.id] for sample in samples]
            return [(x, [float(x == each) for each in schema.labels], str(x)) for x in labels]

        return ask

    return open_model


def test_an_answer_that_names_no_relation_is_wrong(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # right: t0, t2; wrong label: t1; nothing named: t3 (a relation) and t5 (none)
    said = {"t0": "causes", "t1": "causes", "t2": "none", "t3": None, "t4": "none", "t5": None}
    monkeypatch.setattr(run, "_free", asker(said))
    out = tmp_path / "out"
    summary = classify(DirectOptions(answer="free", out=str(out), **files))
    # positive predictions: t0, t1 and the two without a name; positive samples: four
    assert summary["micro_f1"] == pytest.approx(2 * 1 / (4 + 4))
    assert (summary["samples"], summary["unparseable"]) == (6, 2)
    lines = [json.loads(x) for x in (out / "predictions.jsonl").read_text().splitlines()]
    assert [line["relation"] for line in lines] == ["causes", "causes", "none", None, "none", None]
    assert [line["id"] for line in lines] == [f"t{i}" for i in range(6)]
    assert lines[3] == {
        "id": "t3",
        "relation": None,
        "score": 0.0,
        "scores": {"causes": 0.0, "ends": 0.0, "none": 0.0},
        "answer": "None",
    }
    scores = json.loads((out / "scores.json").read_text())
    assert scores["per_relation"]["causes"] == {
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "support": 2,
    }
    assert scores["recall"] == 0.25


def test_it_goes_on_where_it_was_killed(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_CHUNK", 2)
    asked: list[str] = []

    def failing(
        settings: DirectSettings, schema: RelationSchema, shown: Sequence[Sample]
    ) -> run.Asker:
        def ask(samples: Sequence[Sample]) -> list[Row]:
            if len(asked) == 4:
                asked.append("killed")
                raise KeyboardInterrupt
            asked.extend(sample.id for sample in samples)
            return [(s.relation, [1.0, 0.0, 0.0], None) for s in samples]

        return ask

    monkeypatch.setattr(run, "_among_labels", failing)
    with pytest.raises(KeyboardInterrupt):
        classify(DirectOptions(out=str(tmp_path / "out"), **files))
    summary = classify(DirectOptions(out=str(tmp_path / "out"), **files))
    assert asked == ["t1", "t0", "t3", "t2", "killed", "t5", "t4"]  # from short to long
    assert summary["micro_f1"] == 1.0
    assert classify(DirectOptions(out=str(tmp_path / "out"), **files)) == summary
    assert len(asked) == 7
    with pytest.raises(InputError, match="the output of other settings or inputs is here"):
        classify(DirectOptions(seed=2, out=str(tmp_path / "out"), **files))
    classify(DirectOptions(seed=2, out=str(tmp_path / "out"), force=True, **files))
    assert len(asked) == 13


def test_bad_input(files: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a whole number of at least 0"):
        classify(DirectOptions(shots=-1, out=str(tmp_path / "out"), **files))
    with pytest.raises(InputError, match=r"field 'shots': only 6 labelled samples"):
        classify(DirectOptions(shots=7, out=str(tmp_path / "out"), **files))
    with pytest.raises(InputError, match="no such file"):
        classify(DirectOptions(out=str(tmp_path / "out"), **{**files, "test": "none.jsonl"}))


def test_labelled_test_sentences_are_refused(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**files, "train": files["test"]}
    with pytest.raises(InputError, match=r"6 labelled sentences are in the test set as well.*'t0'"):
        classify(DirectOptions(out=str(tmp_path / "out"), **given))
    # where none is shown, none is read
    monkeypatch.setattr(run, "_among_labels", asker(dict.fromkeys(f"t{i}" for i in range(6))))
    assert classify(DirectOptions(shots=0, out=str(tmp_path / "out"), **given))["samples"] == 6
