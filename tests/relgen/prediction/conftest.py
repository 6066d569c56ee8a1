"""A saved classifier whose relations name types."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relgen.classifiers.calibration import Calibration
from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.saved import save_classifier
from relgen.data.schema import Relation, RelationSchema
from tests.tiny.encoders import save_encoder

SCHEMA = RelationSchema(
    "firms",
    (
        Relation("founded_by", "x", ("ORG",), ("PERSON",)),
        Relation("located_in", "x", ("ORG",), ("PLACE",)),
        Relation("none", "x"),
    ),
    "none",
)


@pytest.fixture
def classifier(tmp_path: Path) -> EntityMarkerClassifier:
    torch.manual_seed(0)
    built = EntityMarkerClassifier(SCHEMA, save_encoder(tmp_path / "encoder"), max_length=48)
    torch.nn.init.normal_(built.output.weight, std=0.2)
    return built


@pytest.fixture
def model(classifier: EntityMarkerClassifier, tmp_path: Path) -> Path:
    """The folder that holds `model`; the positive relations' threshold is out of reach."""
    thresholds = {"founded_by": 1.0, "located_in": 1.0}
    chosen = Calibration(1.0, thresholds, {"0.9": 0.0}, 9, "x", 0.3, 0.1)
    save_classifier(classifier, tmp_path / "fit" / "model", calibration=chosen)
    return tmp_path / "fit"
