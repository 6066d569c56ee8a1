"""ONNX folders give the classifier's labels, and need no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relgen.classifiers.portable import RelationClassifier
from relgen.classifiers.saved import load_classifier
from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample, read_samples
from relgen.deployment import onnx_export
from relgen.deployment.agreement import Agreement, inputs_of
from relgen.deployment.onnx_export import export_onnx

from .conftest import Save

pytestmark = [pytest.mark.compute, pytest.mark.processes]
for _package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(_package, reason="needs the extra onnx")
_WITHOUT = """
import sys
for name in ("torch", "transformers", "relgen", "lightning"):
    sys.modules[name] = None
import json
from relation_classifier import RelationClassifier
classifier = RelationClassifier(sys.argv[1], weights=sys.argv[2], threads=1)
inputs, types = json.load(sys.stdin)
found = classifier.predict([tuple(one) for one in inputs], types)
print(json.dumps([found, sorted(sys.modules)]))
"""


def predict_without_torch(out: Path, weights: str, inputs: Any) -> Any:
    """Return predictions and loaded modules of a process in which torch cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, str(out), weights],
        input=json.dumps(inputs),
        env={"PYTHONPATH": str(out)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_export_gives_the_classifiers_labels_without_torch(
    save: Save, sentences: Path, tmp_path: Path
) -> None:
    folder, out = save("typed"), tmp_path / "onnx"
    agreements = export_onnx(folder, out, samples=sentences, int8_differing=1.0)
    assert sorted(agreements) == ["float32", "int8"]
    assert (agreements["float32"].sentences, agreements["float32"].differing) == (30, 0)
    assert agreements["float32"].largest < 1e-4
    samples, classifier = read_samples(sentences), load_classifier(folder)
    expected = classifier.predict_samples(samples)
    assert len({one.relation for one in expected}) > 1
    assert sorted(path.name for path in out.iterdir()) == [
        *("README.md", "config.json", "model.int8.onnx", "model.onnx"),
        *("relation_classifier.py", "relgen_export.json", "tokenizer.json"),
    ]
    assert (out / "model.int8.onnx").stat().st_size < (out / "model.onnx").stat().st_size
    other_labels = agreements["int8"].differing + agreements["int8"].ties_differing
    for name, differing in (("float32", 0), ("int8", other_labels)):
        found, modules = predict_without_torch(out, name, inputs_of(samples))
        assert "onnxruntime" in modules
        assert not [name for name in modules if name.startswith(("torch.", "relgen."))]
        pairs = zip(found, expected, strict=True)
        assert sum(one["relation"] != other.relation for one, other in pairs) == differing
    runner = RelationClassifier(out)
    _types_and_thresholds_are_those_of_the_classifier(runner, classifier)
    _mentions_may_be_words(runner)
    with pytest.raises(ValueError, match="no weights 'int4'"):
        RelationClassifier(out, weights="int4")


def _types_and_thresholds_are_those_of_the_classifier(runner: Any, classifier: Any) -> None:
    place = ("ann founded acme .", (0, 3), (12, 16))
    (found,) = runner.predict([place], [("PERSON", "COUNTRY")])
    assert found["scores"]["founded_by"] == 0.0
    assert found["scores"]["born_in"] > 0.0
    assert sum(found["scores"].values()) == pytest.approx(1.0, abs=1e-5)
    sample = Sample("0", place[0], Entity(0, 3, "PERSON"), Entity(12, 16, "COUNTRY"), "born_in")
    (expected,) = classifier.predict_samples([sample])
    assert found["scores"] == pytest.approx(dict(expected.scores), abs=1e-4)
    runner.thresholds = {"born_in": 0.5}
    low = {"relation": "born_in", "score": 0.4}
    assert runner.answer(low) == "no_relation"
    assert runner.answer(low, abstain=True) is None
    assert runner.answer(low, threshold=0.3) == "born_in"


def _mentions_may_be_words(runner: Any) -> None:
    text = "the storm caused the flood ."
    words, spans = runner.predict([(text, "storm", "flood"), (text, (4, 9), (21, 26))])
    assert words == spans
    assert runner.predict([]) == []
    for mention, problem in (("the", "2 times"), ("mud", "0 times"), ((4, 99), "not within")):
        with pytest.raises(ValueError, match=problem):
            runner.predict([(text, mention, "flood")])


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["special", "roberta", "punctuation", "knowprompt", "knowprompt roberta"]
)
def test_every_kind_of_input_can_be_exported(
    kind: str, save: Save, sentences: Path, tmp_path: Path
) -> None:
    found = export_onnx(save(kind), tmp_path / "onnx", samples=sentences)
    assert list(found) == ["float32", "int8"]
    assert found["float32"].largest < 1e-4
    assert found["int8"].mean < 0.02


def test_what_is_refused_writes_nothing(
    save: Save, sentences: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = save("special"), tmp_path / "onnx"
    differing = iter([Agreement(100, 100, 0, 0, 0.0, 0.0), Agreement(100, 90, 3, 5, 0.01, 0.2)])
    for name in ("_write_graph", "quantise", "_scores"):
        monkeypatch.setattr(onnx_export, name, lambda *arguments: None)
    monkeypatch.setattr(onnx_export, "measure_agreement", lambda expected, found: next(differing))
    with pytest.raises(InputError, match=r"int8 .* 3 of 90 sentences \(3.3%\).*--no-int8"):
        export_onnx(folder, out, samples=sentences)
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(InputError, match="exists and is not an export"):
        export_onnx(folder, out, samples=sentences)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_a_datastore_is_outside_of_the_network(save: Save, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"kind 'retrieval' cannot be exported .*relgen serve"):
        export_onnx(save("retrieval"), tmp_path / "onnx")
