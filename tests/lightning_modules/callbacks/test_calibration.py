"""Calibration after a training: on a validation file, and by cross-validation."""

import json

import pytest
import torch
from lightning import seed_everything

import relgen
from lightning_modules.callbacks import calibration
from relgen.common.errors import InputError
from relgen.data.samples import read_samples, write_samples
from tests.lightning_modules.classifier_runs import data, module, trainer
from tests.tiny.encoders import samples


@pytest.fixture
def held_out(files):
    write_samples(files / "dev.jsonl", samples(12, source="dev", skip=58))
    return str(files / "dev.jsonl")


def saved(files):
    return json.loads((files / "out" / "model" / "config.json").read_text())["calibration"]


def test_a_validation_file_calibrates(files, encoder, held_out):
    built = module(encoder)
    trainer(files / "out", 20).fit(built, data(files, validation=held_out))
    found = saved(files)
    assert found["source"] == "the validation file"
    assert found["samples"] == 12
    assert set(found["thresholds"]) == {"cause", "part"}
    loaded = relgen.load_classifier(files / "out" / "model")
    assert float(loaded.classifier.temperature) == pytest.approx(found["temperature"])
    score = loaded.predict_samples(read_samples(held_out))[0].score
    built.classifier.temperature.fill_(1.0)
    batch = next(iter(built.trainer.datamodule.every_validation_sample()))
    row = batch.ids.index("dev-58")
    plain = built.eval()(batch)[row]
    assert score == pytest.approx(float((plain / found["temperature"]).softmax(0).max()), abs=1e-5)


def test_without_held_out_samples_nothing_is_calibrated(files, encoder):
    trainer(files / "out", 2).fit(module(encoder), data(files))
    assert saved(files) is None


def test_a_validation_file_of_training_sentences_does_not_calibrate(files, encoder, caplog):
    given = data(files, validation=str(files / "human.jsonl"))
    trainer(files / "out", 2).fit(module(encoder), given)
    assert saved(files) is None
    assert "not calibrated: the validation file holds training sentences" in caplog.text


def test_cross_validation_trains_without_what_it_predicts(files, encoder, monkeypatch, capsys):
    seen = []
    whole = calibration._logits

    def watched(trained, batches):
        logits, labels = whole(trained, batches)
        training = trained.trainer.datamodule._tables["human"]
        seen.append((len(training), len(labels)))
        return logits, labels

    monkeypatch.setattr(calibration, "_logits", watched)
    seed_everything(1)
    trainer(files / "out", 20).fit(module(encoder, calibration_folds=3), data(files))
    assert seen == [(22, 11)] * 3
    found = saved(files)
    assert found["samples"] == 33
    assert found["source"] == "human samples, by 3-fold cross-validation"
    assert "calibrating: training 3 of 3" in capsys.readouterr().err
    assert not (files / "out" / ".calibration.partial").exists()
    # the classifier itself is the one that a training without calibration gives
    seed_everything(1)
    trainer(files / "plain", 20).fit(module(encoder), data(files))
    ours, plain = (
        relgen.load_classifier(files / name / "model").classifier.state_dict()
        for name in ("out", "plain")
    )
    for name, tensor in plain.items():
        assert name == "temperature" or torch.equal(tensor, ours[name])


@pytest.mark.parametrize(("seeds", "trained"), [((1, 1), 4), ((1, 2), 5)])
def test_a_stopped_cross_validation_resumes_by_fold_of_the_same_training(
    files, encoder, monkeypatch, seeds, trained
):
    whole, calls = calibration._logits, []

    def stops(trained, batches):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(trained, batches)

    monkeypatch.setattr(calibration, "_logits", stops)
    for seed in seeds:
        seed_everything(seed)
        try:
            trainer(files / "out", 6).fit(module(encoder, calibration_folds=3), data(files))
        except (KeyboardInterrupt, SystemExit):
            assert not (files / "out" / "model").exists()
    assert len(calls) == trained
    assert saved(files)["samples"] == 33


@pytest.mark.parametrize(
    ("folds", "mix", "said"),
    [(1, None, "nothing to train on"), (3, "pure", "too few human samples"), (40, None, "too few")],
)
def test_folds_that_cannot_be_are_refused(files, encoder, folds, mix, said):
    given = data(files, generated=str(files / "generated.jsonl"), mix=mix)
    with pytest.raises(InputError, match=rf"calibration_folds.*{said}"):
        trainer(files / "out", 2).fit(module(encoder, calibration_folds=folds), given)
