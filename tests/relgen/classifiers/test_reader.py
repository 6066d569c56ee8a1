"""The language model as a classifier: predictions, resuming, saving and loading."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relgen.classifiers import reader
from relgen.classifiers.reader import classify_by_reading
from relgen.classifiers.saved import load_classifier, load_network
from relgen.common.errors import InputError
from relgen.common.files import read_json
from relgen.data.samples import Entity, write_samples
from relgen.data.schema import load_schema
from relgen.labelling.settings import ReaderOptions
from tests import tiny
from tests.relgen.labelling.words import LABELS, Words, sample, write_files

pytestmark = pytest.mark.compute


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    # the last one is wrong: it says `place`
    test = [sample(i + 50, LABELS[i % 3], f"x{LABELS[i % 3]}", "test") for i in range(9)]
    write_samples(tmp_path / "test.jsonl", [*test, sample(99, "cause", "xplace", "test")])
    return write_files(tmp_path) | {"test": tmp_path / "test.jsonl"}


def do(files: dict[str, Path], out: Path, words: Any, **settings: Any) -> dict[str, Any]:
    names = {"train": files["train"], "test": files["test"], "schema": files["s"], "out": out}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "StateReader", lambda *_: words)
        options = {name: str(path) for name, path in names.items()}
        return classify_by_reading(ReaderOptions(**options, **settings))


def test_predictions_scores_and_a_classifier(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = do(files, out, Words())
    # cause and place: 6 of 7 predicted are right, 6 of 7 are found
    assert summary["micro_f1"] == pytest.approx(6 / 7)
    assert (summary["samples"], summary["train_micro_f1"]) == (10, 1.0)
    lines = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["id"] for row in rows] == [f"test-{n}" for n in (*range(50, 59), 99)]
    assert [row["relation"] for row in rows] == [*LABELS * 3, "place"]
    assert all(row["score"] == max(row["scores"].values()) > 0.5 for row in rows)
    assert read_json(out / "scores.json")["per_relation"]["none"]["f1"] == 1.0
    names = ["model", "predictions.jsonl", "reader.json", "scores.json"]
    assert sorted(path.name for path in out.iterdir()) == names

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "StateReader", lambda *_: Words())
        loaded = load_classifier(out / "model")
        with pytest.raises(InputError, match="no network of its own"):
            load_network(out / "model")
    text = "Ann xnone Bern, they say, 4 times."
    found = loaded.predict(text, head="Ann", tail="Bern")
    assert (found.relation, loaded.schema.labels) == ("none", LABELS)
    assert [p.relation for p in loaded.predict_samples([sample(1, "?", "xplace")])] == ["place"]
    card = (out / "model" / "README.md").read_text(encoding="utf-8")
    assert "`reader` on `smollm2-135m-instruct`" in card
    assert "| micro-F1 without the negative label | 85.71 |" in card


def test_interrupted_it_goes_on_and_finished_it_reads_nothing(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        do(files, out, Words(stop_after=12))
    words = Words()
    first = do(files, out, words)
    assert words.read_samples == 12 + 10
    assert do(files, out, words) == first
    assert words.read_samples == 22
    with pytest.raises(InputError, match="--force to replace it"):
        do(files, out, words, penalty=0.1)
    assert do(files, out, words, penalty=0.1, force=True)["penalty"] == 0.1
    assert words.read_samples == 44


def test_labelled_sentences_of_the_test_set_are_refused(
    files: dict[str, Path], tmp_path: Path
) -> None:
    files["test"] = files["train"]
    with pytest.raises(InputError, match="12 labelled sentences are in the test set as well"):
        do(files, tmp_path / "out", Words())


def test_a_real_reader_predicts_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    samples = tiny.labelled()
    model = tiny.save_writing_model(tmp_path / "tiny")
    tiny.typed_schema().save(tmp_path / "s.yaml")
    write_samples(tmp_path / "train.jsonl", samples[::2])
    write_samples(tmp_path / "test.jsonl", samples[1::2])
    names = {"train": "train.jsonl", "test": "test.jsonl", "schema": "s.yaml", "out": "out"}
    options = {name: str(tmp_path / path) for name, path in names.items()}
    classify_by_reading(ReaderOptions(**options, model=str(model)))
    loaded = load_classifier(tmp_path / "out" / "model")
    said = [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").open()]
    again = loaded.predict_samples(samples[1::2])
    assert [p.relation for p in again] == [row["relation"] for row in said]
    assert [p.score for p in again] == pytest.approx([row["score"] for row in said], abs=1e-5)
    (tmp_path / "out/model/model.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="damaged"):
        load_classifier(tmp_path / "out" / "model")


def test_scores_leave_types_aside_as_those_of_other_classifiers(
    files: dict[str, Path], tmp_path: Path
) -> None:
    schema = load_schema(files["s"])
    typed = [replace(relation, tail_types=("THING",)) for relation in schema]
    replace(schema, relations=tuple(typed)).save(files["s"])
    test = sample(50, "cause", "xcause", "test")
    write_samples(files["test"], [replace(test, tail=replace(test.tail, type="CITY"))])
    assert do(files, tmp_path / "out", Words())["micro_f1"] == 1.0


def test_types_exclude_relations(files: dict[str, Path], tmp_path: Path) -> None:
    do(files, tmp_path / "out", Words())
    schema = load_schema(files["s"])
    typed = [replace(relation, head_types=("THING",)) for relation in schema]
    replace(schema, relations=tuple(typed)).save(tmp_path / "out" / "model" / "schema.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "StateReader", lambda *_: Words())
        loaded = load_classifier(tmp_path / "out" / "model")
    given = sample(1, "?", f"x{LABELS[0]}")
    plain, other = loaded.predict_samples([given, replace(given, head=Entity(0, 1, "PERSON"))])
    assert plain.relation == LABELS[0]
    assert [label for label, p in other.scores.items() if p] == [schema.negative]
