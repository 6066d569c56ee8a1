"""The files and pictures of a classifier's run."""

import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import relgen
from lightning_modules.callbacks import classifier
from lightning_modules.callbacks.classifier import confusion_figure
from relgen.common.errors import InputError
from relgen.data.samples import read_samples, write_samples
from relgen.evaluation.scores import Scores
from tests.lightning_modules.classifier_command import assert_same_predictions, classifier_command
from tests.lightning_modules.classifier_runs import data, module, trainer
from tests.tiny import encoders


def test_what_tensorboard_gets(files, encoder):
    board = TensorBoardLogger(files, name="board", version="", default_hp_metric=False)
    fit = trainer(files / "out", 20, logger=board)
    fit.fit(module(encoder), data(files, validation=str(files / "test.jsonl")))
    events = EventAccumulator(str(files / "board"))
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "lr/encoder", "lr/head", "val/micro_f1", "hp/micro_f1"} <= set(
        tags["scalars"]
    )
    assert {"val_f1/cause", "val_f1/none"} <= set(tags["scalars"])
    assert tags["images"] == ["val/confusion"]
    assert "val/mistakes/text_summary" in tags["tensors"]


def test_nothing_in_a_text_of_tensorboard_takes_effect(files, encoder):
    labels = encoders.SCHEMA.labels
    names = {label: f"<b>{label}</b> | *x* ![y](http://z)" for label in labels}
    relations = tuple(replace(one, name=names[one.name]) for one in encoders.SCHEMA.relations)
    replace(encoders.SCHEMA, relations=relations, negative=names["none"]).save(
        files / "schema.yaml"
    )
    for name in ("human", "test"):
        read = read_samples(files / f"{name}.jsonl")
        changed = [one.with_relation(names[one.relation]) for one in read]
        write_samples(files / f"{name}.jsonl", changed)
    board = TensorBoardLogger(files, name="board", version="", default_hp_metric=False)
    fit = trainer(files / "out", 1, logger=board, val_check_interval=1)
    options = {"validation": str(files / "test.jsonl"), "steps_per_epoch": 1}
    fit.fit(module(encoder), data(files, **options))
    events = EventAccumulator(str(files / "board"))
    events.Reload()
    (shown,) = events.Tensors("val/mistakes/text_summary")
    _, _, *rows = shown.tensor_proto.string_val[0].decode().splitlines()
    assert rows
    cell = r"&#60;b&#62;{}&#60;/b&#62; \| \*x\* !\[y\](http:&#47;&#47;z)"
    cells = {cell.format(name) for name in ("cause", "part", "none")}
    for row in rows:
        _, text, gold, wrong, _ = re.split(r" \| |^\| | \|$", row)
        assert text.startswith("`")
        assert {gold, wrong} <= cells


def test_fit_test_and_predict_by_command_line(files, encoder):
    out = files / "out"
    # as saved classifiers compute, so that predictions can be compared exactly
    command = classifier_command(
        "classifier/entity_marker", files, encoder, "--model.classifier.attention=sdpa"
    )
    command(
        "fit",
        "--trainer.max_steps=100",
        f"--data.human={files / 'human.jsonl'}",
        f"--data.generated={files / 'generated.jsonl'}",
        "--data.order=generated_first",
    )
    checkpoint = f"--ckpt_path={out / 'checkpoints' / 'last.ckpt'}"
    command("test", checkpoint)
    scores = json.loads((out / "scores.json").read_text())
    tested = [json.loads(line) for line in (out / "predictions.jsonl").open()]
    mistakes = [json.loads(line) for line in (out / "mistakes.jsonl").open()]
    command("predict", checkpoint)
    predicted = [json.loads(line) for line in (out / "predictions.jsonl").open()]
    others = f"--data.predict={files / 'human.jsonl'}"
    with pytest.raises(InputError, match="the predictions behind"):
        command("predict", checkpoint, others)
    assert [json.loads(line) for line in (out / "predictions.jsonl").open()] == predicted
    command("predict", checkpoint, others, f"--trainer.default_root_dir={files / 'other'}")
    assert len((files / "other" / "predictions.jsonl").read_text().splitlines()) == 33

    loaded = relgen.load_classifier(out / "model")
    held_out = read_samples(files / "test.jsonl")
    expected = [asdict(prediction) for prediction in loaded.predict_samples(held_out)]
    assert_same_predictions(tested, expected, predicted)
    assert [row["id"] for row in tested] == [sample.id for sample in held_out]
    gold = [sample.relation for sample in held_out]
    hits = sum(row["relation"] == label for row, label in zip(tested, gold, strict=True))
    assert sum(scores["confusion"][n][n] for n in range(3)) == hits
    assert hits >= 7
    assert scores["confidence"]["samples"] == 10
    assert scores["confidence"]["risk_coverage"][-1] == [1.0, 1 - hits / 10]
    texts = {sample.id: sample.text for sample in held_out}
    wrong = [
        (row["score"], row["id"], label, row["relation"], texts[row["id"]])
        for row, label in zip(tested, gold, strict=True)
        if row["relation"] != label
    ]
    assert sorted(wrong, reverse=True) == [
        (row["probability"], row["id"], row["gold"], row["predicted"], row["text"])
        for row in mistakes
    ]
    card = (out / "model" / "README.md").read_text()
    assert f"| micro-F1 without the negative label | {100 * scores['micro_f1']:.2f} |" in card
    assert "| generated | generated.jsonl | 15 |" in card


def _pixels(labels: tuple[str, ...]) -> tuple[int, int]:
    counts = tuple(tuple(row) for row in np.eye(len(labels), dtype=int).tolist())
    figure = confusion_figure(Scores(0, 0, None, 0, 0, {}, counts, labels))
    figure.canvas.draw()
    width, height, _ = np.asarray(figure.canvas.buffer_rgba()).shape
    return width, height


def test_a_confusion_matrix_of_many_relations_has_a_largest_size():
    assert max(_pixels(tuple(map(str, range(300))))) == max(_pixels(tuple(map(str, range(60)))))


def test_labels_are_no_formulas():
    assert _pixels(("$\\frac$", "a$b$c"))


def test_labels_without_a_font_are_numbered(monkeypatch):
    def fonts(labels):
        return ["DejaVu Sans"], {"夫"}

    monkeypatch.setattr(classifier, "fonts_for", fonts)
    counts = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    figure = confusion_figure(Scores(0, 0, None, 0, 0, {}, counts, ("夫妻", "учитель", "none")))
    (axes,) = figure.axes
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == ["#1", "учитель", "none"]
