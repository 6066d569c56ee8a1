"""Samples files, and a masked language model, for trainings of classifiers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relgen.data.samples import write_samples
from tests.tiny.encoders import SCHEMA, samples, save_masked


@pytest.fixture
def files(tmp_path: Path) -> Path:
    SCHEMA.save(tmp_path / "schema.yaml")
    write_samples(tmp_path / "human.jsonl", samples(33))
    rows = [one.to_json() for one in samples(15, source="generated", skip=33)]
    for row in rows[::2]:
        row["scores"] = {label: 0.8 if label == row["relation"] else 0.1 for label in SCHEMA.labels}
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "generated.jsonl").write_text(text)
    write_samples(tmp_path / "dev.jsonl", samples(9, source="dev", skip=48))
    write_samples(tmp_path / "test.jsonl", samples(10, source="test", skip=57))
    return tmp_path


@pytest.fixture
def model(tmp_path: Path) -> str:
    return save_masked(tmp_path / "model", family="roberta")
