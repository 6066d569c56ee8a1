"""Folders of transformers give the classifier's labels, without remote code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import pipeline

from relgen.common.errors import InputError
from relgen.data.samples import write_samples
from relgen.deployment import transformers_runner
from relgen.deployment.transformers_export import export_transformers
from tests.tiny.encoders import samples

from .conftest import Save

pytestmark = pytest.mark.compute


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("special", "token-classification"),
        ("roberta", "token-classification"),
        ("typed", "token-classification"),
        ("punctuation", "token-classification"),
        ("knowprompt", "fill-mask"),
        ("knowprompt roberta", "fill-mask"),
    ],
)
def test_labels_are_the_classifiers(
    kind: str, task: str, save: Save, sentences: Path, tmp_path: Path
) -> None:
    found = export_transformers(save(kind), tmp_path / "hf", samples=sentences)
    assert (found.sentences, found.differing) == (30, 0)
    assert found.largest < 1e-4
    loaded = pipeline(task, model=str(tmp_path / "hf"), trust_remote_code=False)
    assert loaded("the storm [MASK] ." if task == "fill-mask" else "the storm .")
    assert not list((tmp_path / "hf").glob("modeling_*"))
    assert task in (tmp_path / "hf" / "README.md").read_text(encoding="utf-8")


def test_two_labels_of_each_relation_are_added_up(
    folder: Path, sentences: Path, tmp_path: Path
) -> None:
    export_transformers(folder, tmp_path / "hf", samples=sentences)
    labels = pipeline("token-classification", model=str(tmp_path / "hf")).model.config.id2label
    assert list(labels.values()) == [
        *("head:cause", "head:part", "head:none", "tail:cause", "tail:part", "tail:none")
    ]


@pytest.mark.parametrize("kind", ["special", "knowprompt"])
def test_what_the_classifier_would_cut_is_not_compared(
    kind: str, save: Save, tmp_path: Path
) -> None:
    few = samples(3)
    long = replace(few[0], id="long", text=few[0].text + " and mud" * 40)
    write_samples(tmp_path / "long.jsonl", [long])
    write_samples(tmp_path / "samples.jsonl", [*few, long])
    folder, hf = save(kind), tmp_path / "hf"
    found = export_transformers(folder, hf, samples=tmp_path / "samples.jsonl")
    assert (found.sentences, found.too_long) == (3, 1)
    assert "1 longer ones were not compared" in (hf / "README.md").read_text(encoding="utf-8")
    relations = transformers_runner.Relations(hf)
    spans = [(one.start, one.end) for one in (long.head, long.tail)]
    with pytest.raises(ValueError, match="the model takes 64: shorten it"):
        relations.predict(long.text, *spans)
    with pytest.raises(InputError, match="exceed the classifier's 48 tokens"):
        export_transformers(folder, tmp_path / "other", samples=tmp_path / "long.jsonl")


def test_a_datastore_is_refused(save: Save, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model for a classifier of kind 'retrieval'"):
        export_transformers(save("retrieval"), tmp_path / "hf")
    assert not (tmp_path / "hf").exists()
