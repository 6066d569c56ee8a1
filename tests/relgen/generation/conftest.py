"""A folder with a tiny model, labelled samples and a schema, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from relgen.data.samples import write_samples
from tests import tiny


@dataclass(frozen=True)
class Inputs:
    """Paths of a generation's inputs."""

    model: Path
    train: Path
    schema: Path


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("generation")
    write_samples(folder / "train.jsonl", tiny.labelled())
    tiny.typed_schema().save(folder / "schema.yaml")
    model = tiny.save_writing_model(folder / "model")
    return Inputs(model, folder / "train.jsonl", folder / "schema.yaml")
