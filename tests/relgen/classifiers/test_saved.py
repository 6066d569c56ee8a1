"""A saved classifier loads in two lines and says the same as before."""

import json
import subprocess
import sys

import pytest
import torch
from huggingface_hub import ModelCard

import relgen
from relgen.classifiers import pipeline
from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.pipeline import SavedClassifier, close_calls, find_mention
from relgen.classifiers.saved import record_scores, save_classifier
from relgen.common.errors import InputError
from relgen.data.predictions import Prediction
from relgen.evaluation.scores import score_labels
from tests.tiny.encoders import SCHEMA, samples, save_encoder

DATA = {
    "files": {
        "human": {"file": "x/train.jsonl", "sha256": "ab" * 32, "samples": 24},
        "generated": {
            "file": "x/generated.jsonl",
            "sha256": "cd" * 32,
            "samples": 48,
            "models": ["some-model"],
        },
    },
    "truncated": {"human": 2},
}


@pytest.fixture
def classifier(tmp_path):
    torch.manual_seed(0)
    built = EntityMarkerClassifier(SCHEMA, save_encoder(tmp_path / "encoder"), max_length=48)
    torch.nn.init.normal_(built.output.weight, std=0.2)
    return built


@pytest.fixture
def folder(classifier, tmp_path):
    save_classifier(classifier, tmp_path / "model", data=DATA, training={"seed": 1})
    return tmp_path / "model"


def test_predictions_are_the_same_after_loading(classifier, folder):
    before = SavedClassifier(classifier).predict_samples(samples(20), token_budget=100)
    after = relgen.load_classifier(folder).predict_samples(samples(20), token_budget=100)
    assert before == after
    assert [prediction.id for prediction in after] == [f"human-{n}" for n in range(20)]
    assert len({prediction.score for prediction in after}) > 10


def test_raw_strings_and_offsets(folder):
    loaded = relgen.load_classifier(folder)
    by_text = loaded.predict(text="the storm caused the flood .", head="storm", tail="flood")
    assert loaded.predict("the storm caused the flood .", (4, 9), (21, 26)) == by_text
    assert loaded.predict_many([("the storm caused the flood .", "storm", (21, 26))]) == [
        Prediction("0", by_text.relation, by_text.score, by_text.scores)
    ]
    assert list(by_text.scores) == ["cause", "part", "none"]
    assert sum(by_text.scores.values()) == pytest.approx(1, abs=1e-5)
    assert by_text.score == max(by_text.scores.values())


def test_no_samples_give_no_predictions(folder):
    assert relgen.load_classifier(folder).predict_samples([]) == []


def labels(predictions):
    return [prediction.relation for prediction in predictions]


def test_bfloat16_gives_the_same_labels(classifier):
    # far enough apart that not all of them are computed again
    with torch.no_grad():
        classifier.output.weight *= 3
    exact = SavedClassifier(classifier).predict_samples(samples(60))
    rounded = SavedClassifier(classifier, precision="bfloat16").predict_samples(samples(60))
    assert labels(rounded) == labels(exact)
    assert rounded != exact
    for one, other in zip(rounded, exact, strict=True):
        assert one.score == pytest.approx(other.score, abs=0.1)


def test_bfloat16_computes_close_decisions_again(classifier, monkeypatch):
    monkeypatch.setattr(pipeline, "_CLOSE", float("inf"))
    exact = SavedClassifier(classifier).predict_samples(samples(20))
    assert SavedClassifier(classifier, precision="bfloat16").predict_samples(samples(20)) == exact


@pytest.mark.parametrize("fast", [True, False])
def test_an_emulated_precision_is_warned_of(classifier, monkeypatch, caplog, fast):
    monkeypatch.setattr(pipeline, "multiplies_bfloat16", lambda: fast)
    SavedClassifier(classifier)
    assert not caplog.text
    SavedClassifier(classifier, precision="bfloat16")
    assert ("no instructions for bfloat16" in caplog.text) is not fast


def test_an_unknown_precision_is_named(folder):
    with pytest.raises(InputError, match=r"precision.*float32, bfloat16.*'int4'"):
        relgen.load_classifier(folder, precision="int4")


def test_finding_a_mention():
    assert find_mention("party art", "art", "head") == (6, 9)
    assert find_mention("partly", "art", "head") == (1, 4)
    assert find_mention("a a", (2, 3), "head") == (2, 3)
    with pytest.raises(ValueError, match=r"2 times, at \[0, 2\].*head=\(0, 1\)"):
        find_mention("a a", "a", "head")
    with pytest.raises(ValueError, match=r"not in the text 'Ann'.*offsets"):
        find_mention("Ann", "ann", "head")
    with pytest.raises(ValueError, match="empty"):
        find_mention("Ann", " ", "head")


def test_the_card_tells_where_the_data_came_from(folder):
    card = (folder / "README.md").read_text()
    assert "| human | train.jsonl | 24 | `abababababababab` |" in card
    assert "written by `some-model`" in card
    assert "2 texts were too long" in card
    assert "Not tested yet" in card
    assert ModelCard(card).data.tags == ["relation-extraction", "entity_marker"]


def test_scores_join_the_card_of_the_weights_that_were_tested(classifier, folder):
    scores = score_labels(["cause", "none"], ["cause", "cause"], SCHEMA).to_json()
    assert record_scores(folder, classifier, scores)
    assert "| micro-F1 without the negative label | 66.67 |" in (folder / "README.md").read_text()
    saved = json.loads((folder / "config.json").read_text())["scores"]
    assert saved == json.loads(json.dumps(scores))
    with torch.no_grad():
        classifier.output.bias += 1
    assert not record_scores(folder, classifier, scores)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "schema.yaml"])
def test_an_incomplete_folder_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing.*relgen classifier fit"):
        relgen.load_classifier(folder)


def test_damaged_weights_are_named(folder):
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="the weights do not fit"):
        relgen.load_classifier(folder)


def test_a_kind_of_later_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "kind": "quantum"}))
    with pytest.raises(InputError, match=r"quantum.*use relgen"):
        relgen.load_classifier(folder)


@pytest.mark.processes
def test_importing_the_package_is_light():
    program = "import relgen, sys; print(sorted({'torch', 'transformers'} & {*sys.modules}))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.weights
def test_minilm_is_the_same_after_loading(tmp_path):
    built = EntityMarkerClassifier(SCHEMA)
    save_classifier(built, tmp_path / "model")
    before = SavedClassifier(built).predict_samples(samples(4))
    loaded = relgen.load_classifier(tmp_path / "model")
    assert loaded.predict_samples(samples(4)) == before
    assert loaded.classifier.encoding.encode(samples(4)) == built.encoding.encode(samples(4))
    assert loaded.classifier.encoding.special_ids["[HEAD]"] == 30522


def test_close_calls_grow_with_the_logits():
    logits = torch.tensor([[1.0, 0.95], [1.0, 0.5], [40.0, 39.5], [40.0, 38.0]])
    assert close_calls(logits) == [0, 2]
