"""A small experiment on a corpus of two sentences, and commands that only pretend to work."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.data.samples import Entity, Sample, write_samples
from relgen.experiments import runner
from relgen.experiments.config import CorpusFiles, Experiment
from tests.relgen.experiments.fake_commands import FakeCommands


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusFiles:
    for name in ("train.jsonl", "test.jsonl"):
        samples = [
            Sample(f"{name}-{i}", "Ann saw Bern.", Entity(0, 3), Entity(8, 12), relation)
            for i, relation in enumerate("ab")
        ]
        write_samples(tmp_path / name, samples)
    schema = tmp_path / "mine.yaml"
    schema.write_text(
        "name: mine\nnegative: null\nrelations:\n  a: {explanation: x}\n  b: {explanation: y}\n",
        encoding="utf-8",
    )
    return CorpusFiles(str(tmp_path / "train.jsonl"), str(tmp_path / "test.jsonl"), str(schema))


@pytest.fixture
def experiment(corpus: CorpusFiles) -> Experiment:
    return Experiment(name="mine", corpus=corpus, shots=2, arms=("human", "obo_dpo_mix"))


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    fake = FakeCommands()
    # there are no models to be freed, and looking through all of a test suite's objects takes long
    monkeypatch.setattr(runner.gc, "collect", lambda: 0)
    return fake
