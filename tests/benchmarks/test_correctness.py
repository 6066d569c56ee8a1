"""`benchmarks.correctness`: the kinds of errors, and the shares of a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import correctness
from relgen.common.errors import InputError
from relgen.data.samples import Entity, Prediction, Sample, write_samples
from relgen.data.schema import load_schema

SCHEMA = load_schema("semeval")
CAUSE, EFFECT = "Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)"
ORIGIN = "Entity-Origin(e1,e2)"


class Judge:
    """Finds what it was told to."""

    schema = SCHEMA

    def __init__(self, *found: str) -> None:
        self.found = found

    def predict_samples(self, samples: list[Sample]) -> list[Prediction]:
        return [Prediction(s.id, r, 1.0, {}) for s, r in zip(samples, self.found, strict=True)]


def sample(number: int, relation: str, intended: str | None = None) -> Sample:
    made = Sample(str(number), "Rain made a flood.", Entity(0, 4), Entity(12, 17), relation)
    return replace(made, provenance={"intended": intended}) if intended else made


@pytest.mark.parametrize(
    ("label", "found", "expected"),
    [
        (CAUSE, CAUSE, "agrees"),
        (CAUSE, EFFECT, "direction"),
        (CAUSE, ORIGIN, "type"),
        (CAUSE, "Other", "other"),
        ("Other", CAUSE, "other"),
        ("Other", "Other", "agrees"),
    ],
)
def test_verdicts(label: str, found: str, expected: str) -> None:
    assert correctness.verdict(label, found, SCHEMA) == expected


def test_a_relation_of_another_schema_is_refused() -> None:
    with pytest.raises(InputError, match="no such relation"):
        correctness.verdict("founded", CAUSE, SCHEMA)


def test_shares_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "samples.jsonl"
    written = [
        sample(0, CAUSE, CAUSE),
        sample(1, CAUSE, ORIGIN),
        sample(2, CAUSE),
        sample(3, CAUSE),
    ]
    write_samples(file, written)
    judge: Any = Judge(CAUSE, ORIGIN, EFFECT, "Other")
    monkeypatch.setattr(correctness.relgen, "load_classifier", lambda folder: judge, raising=False)
    correctness.main([str(file), "--judge", "judge", "--json", str(tmp_path / "c.json")])
    row = json.loads((tmp_path / "c.json").read_text())[str(file)]
    assert row == {
        "samples": 4,
        "agrees": 0.25,
        "type": 0.25,
        "direction": 0.25,
        "other": 0.25,
        "intended": 1.0,
    }
    assert "intended, %" in capsys.readouterr().out


def test_without_relabelled_samples_nothing_is_said_of_what_was_meant() -> None:
    judge: Any = Judge(CAUSE)
    assert correctness.assess(judge, [sample(0, CAUSE)])["intended"] is None
