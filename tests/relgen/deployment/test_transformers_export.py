"""Folders of transformers give the classifier's labels, without remote code."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import pipeline

from relgen.common.errors import InputError
from relgen.deployment.transformers_export import export_transformers

from .conftest import Save


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


def test_a_datastore_is_refused(save: Save, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model for a classifier of kind 'retrieval'"):
        export_transformers(save("retrieval"), tmp_path / "hf")
    assert not (tmp_path / "hf").exists()
