"""A classifier, and the folder that it is saved in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.saved import save_classifier
from tests.tiny.encoders import SCHEMA, save_encoder

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
def classifier(tmp_path: Path) -> EntityMarkerClassifier:
    torch.manual_seed(0)
    built = EntityMarkerClassifier(SCHEMA, save_encoder(tmp_path / "encoder"), max_length=48)
    torch.nn.init.normal_(built.output.weight, std=0.2)
    return built


@pytest.fixture
def folder(classifier: EntityMarkerClassifier, tmp_path: Path) -> Path:
    save_classifier(classifier, tmp_path / "model", data=DATA, training={"seed": 1})
    return tmp_path / "model"
