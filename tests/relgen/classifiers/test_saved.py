"""A saved classifier loads in two lines and says the same as before."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from huggingface_hub import ModelCard

import relgen
from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.network import NetworkClassifier
from relgen.classifiers.saved import model_card, record_scores, save_classifier
from relgen.common.errors import InputError
from relgen.data.schema import Relation, RelationSchema
from relgen.evaluation.scores import score_labels
from tests.tiny.encoders import SCHEMA, samples

pytestmark = pytest.mark.compute


def test_predictions_are_the_same_after_loading(classifier, folder):
    before = NetworkClassifier(classifier).predict_samples(samples(20), token_budget=100)
    after = relgen.load_classifier(folder).predict_samples(samples(20), token_budget=100)
    assert before == after
    assert [prediction.id for prediction in after] == [f"human-{n}" for n in range(20)]
    assert len({prediction.score for prediction in after}) > 10


def test_the_card_tells_where_the_data_came_from(folder):
    card = (folder / "README.md").read_text()
    assert "| human | train.jsonl | 24 | `abababababababab` |" in card
    assert "written by `some-model`" in card
    assert "2 texts were too long" in card
    assert "Not tested yet" in card
    assert ModelCard(card).data.tags == ["relation-extraction", "entity_marker"]


def test_nothing_in_a_card_takes_effect(folder):
    config = json.loads((folder / "config.json").read_text())
    config["arguments"]["model"] = "a`<b>"
    config["training"] = {"data.human": "<i>x</i>"}
    hostile = RelationSchema("<img src=x>", (Relation("a`|<b>", "![a](http://b.c) <s>*d*"),))
    _, _, body = model_card(config, hostile).split("---\n", 2)
    assert body.count("<") == body.count("`` a`<b> ``") + body.count(r"`` a`\|<b> ``") == 2
    assert "# Relation classifier: &#60;img src=x&#62;" in body
    assert r"| !\[a\](http:&#47;&#47;b.c) &#60;s&#62;\*d\* |" in body
    assert "| data.human | &#60;i&#62;x&#60;/i&#62; |" in body


def test_scores_join_the_card_of_the_weights_that_were_tested(classifier, folder):
    scores = asdict(score_labels(["cause", "none"], ["cause", "cause"], SCHEMA))
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
    with pytest.raises(InputError, match=r"quantum.*the folder is damaged"):
        relgen.load_classifier(folder)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", "[]", "not a classifier's configuration"),
        ("config.json", '{"relgen_version": "9"}', "use relgen 9, which wrote it"),
        ("tokenizer/tokenizer_config.json", "{", "cannot be read: JSONDecodeError"),
        ("tokenizer/tokenizer.json", None, "no vocabulary in this folder"),
    ],
)
def test_damaged_folders_are_one_line(folder, file, content, said):
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        relgen.load_classifier(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"calibration": "nan"}, r"field 'calibration': must be a mapping \(got 'nan'\)"),
        ({"calibration": {"x": 1}}, r"config\.json: field 'calibration\.x': "),
        ({"arguments": [1]}, r"config\.json: field 'arguments': must be a mapping \(got \[1\]\)"),
        ({"format": 99}, r"got \['entity_marker', 99\]\); the folder is damaged"),
    ],
)
def test_a_damaged_configuration_is_one_line(folder, changes, said):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(InputError, match=said) as caught:
        relgen.load_classifier(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("labels", [("none", "cause"), ("cause", "other")])
def test_a_changed_schema_is_refused(folder, labels):
    relations = tuple(Relation(label, "…") for label in labels)
    RelationSchema("s", relations, labels[-1]).save(folder / "schema.yaml")
    with pytest.raises(InputError, match=r"schema\.yaml: its labels are not those that"):
        relgen.load_classifier(folder)


def test_arguments_that_are_missing_are_one_line(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "arguments": {}}))
    with pytest.raises(InputError, match=r"cannot be read: KeyError: .*copy it again"):
        relgen.load_classifier(folder)


@pytest.mark.processes
def test_importing_the_package_is_light():
    program = "import relgen, sys; print(sorted({'torch', 'transformers'} & {*sys.modules}))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.processes
def test_loading_a_classifier_imports_nothing_for_training(folder):
    program = (
        "import relgen, sys; relgen.load_classifier(sys.argv[1]); "
        "print(sorted({'torch', 'peft', 'datasets', 'lightning'} & {*sys.modules}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, folder], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "['torch']"


@pytest.mark.weights
def test_minilm_is_the_same_after_loading(tmp_path):
    built = EntityMarkerClassifier(SCHEMA)
    save_classifier(built, tmp_path / "model")
    before = NetworkClassifier(built).predict_samples(samples(4))
    loaded = relgen.load_classifier(tmp_path / "model")
    assert loaded.predict_samples(samples(4)) == before
    assert loaded.classifier.encoding.encode(samples(4)) == built.encoding.encode(samples(4))
    assert loaded.classifier.encoding.special_ids["[HEAD]"] == 30522
