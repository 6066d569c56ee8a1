"""A saved classifier of firms, whose relations name types, and raw text with names in it."""

from __future__ import annotations

from pathlib import Path

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


def save_firms(folder: Path, *, calibrated: bool = True) -> str:
    """Write `fit/model` and return `fit`; the positive relations' thresholds are out of reach."""
    torch.manual_seed(0)
    built = EntityMarkerClassifier(SCHEMA, save_encoder(folder / "encoder"), max_length=48)
    torch.nn.init.normal_(built.output.weight, std=0.2)
    torch.nn.init.constant_(built.output.bias[:2], 4.0)
    thresholds = {"founded_by": 1.0, "located_in": 1.0}
    chosen = Calibration(1.0, thresholds, {"0.9": 0.0}, 9, "x", 0.3, 0.1)
    save_classifier(built, folder / "fit" / "model", calibration=chosen if calibrated else None)
    return str(folder / "fit")


def save_text(folder: Path) -> tuple[str, str]:
    """Write raw text and a gazetteer; return the file, and the gazetteer as a source."""
    (folder / "names.tsv").write_text("acme\tORG\nann\tPERSON\nbern\tPLACE\nrain\tEVENT\n")
    text = "ann founded acme . Bern is near .\n\nacme in bern . The rain in acme .\n"
    (folder / "raw.txt").write_text(text)
    return str(folder / "raw.txt"), f"gazetteer:{folder / 'names.tsv'}"
