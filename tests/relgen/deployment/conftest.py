"""Small classifiers in folders, and sentences for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from relgen.classifiers.base import Classifier
from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.knowprompt import KnowPromptClassifier
from relgen.classifiers.network import compute_logits
from relgen.classifiers.retrieval import RetrievalClassifier
from relgen.classifiers.saved import save_classifier
from relgen.data.samples import Entity, Sample, write_samples
from tests.tiny.encoders import SCHEMA, TYPED, samples, save_encoder, save_masked

Save = Callable[[str], Path]
KINDS: dict[str, Callable[[Path], Classifier]] = {
    "special": lambda at: EntityMarkerClassifier(SCHEMA, save_encoder(at), max_length=48),
    "positive": lambda at: EntityMarkerClassifier(
        replace(SCHEMA, negative=None), save_encoder(at), max_length=48
    ),
    "roberta": lambda at: EntityMarkerClassifier(SCHEMA, save_encoder(at, family="roberta")),
    "typed": lambda at: EntityMarkerClassifier(TYPED, save_encoder(at), typed_markers=True),
    "punctuation": lambda at: EntityMarkerClassifier(
        SCHEMA, save_encoder(at, extra=["@", "#", "*", "^"]), markers="punctuation"
    ),
    "knowprompt": lambda at: KnowPromptClassifier(SCHEMA, save_masked(at), max_length=48),
    "knowprompt roberta": lambda at: KnowPromptClassifier(
        SCHEMA, save_masked(at, family="roberta"), max_length=48
    ),
    "retrieval": lambda at: RetrievalClassifier(SCHEMA, save_masked(at), max_length=48),
}


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Save an untrained classifier of a kind, whose labels differ from sentence to sentence."""

    def save(kind: str) -> Path:
        torch.manual_seed(0)
        classifier = KINDS[kind](tmp_path / "encoder")
        if isinstance(classifier, EntityMarkerClassifier):
            torch.nn.init.normal_(classifier.output.weight, std=0.3)
            classifier.eval()
            encoded = classifier.encoding.encode(samples(30))
            with torch.no_grad():
                # so that each label is the answer to some sentences
                classifier.output.bias -= compute_logits(classifier, encoded, 2048).mean(dim=0)
        save_classifier(classifier, tmp_path / "model")
        return tmp_path / "model"

    return save


@pytest.fixture
def folder(save: Save) -> Path:
    return save("special")


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    nested = Sample("nested", "the storm flood .", Entity(4, 15), Entity(10, 15), "part")
    write_samples(tmp_path / "samples.jsonl", [*samples(29), nested])
    return tmp_path / "samples.jsonl"
