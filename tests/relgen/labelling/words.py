"""Files to label, and a reader that knows the answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from relgen.data.samples import Entity, Sample, write_samples
from relgen.data.schema import Relation, RelationSchema
from tests.tiny.language_models import tokenizer

LABELS = ("cause", "place", "none")


def sample(number: int, relation: str, word: str, source: str = "human") -> Sample:
    text = f"Ann {word} Bern, they say, {number} times."
    tail = Entity(5 + len(word), 9 + len(word))
    return Sample(f"{source}-{number}", text, Entity(0, 3), tail, relation, source)


class Words:
    """Reads the verb: `xcause` is state 0, and so on; and remembers how much it has read."""

    features = 4 * 1 * 3
    tokenizer = tokenizer()

    def __init__(self, stop_after: int | None = None) -> None:
        self.read_samples = 0
        self.stop_after = stop_after

    def check_lengths(self, samples: Sequence[Sample]) -> None:
        """Take sentences of any length."""

    def too_many(self, sample: Sample) -> int:
        return 99 if "too long" in sample.text else 0

    def read(self, samples: Sequence[Sample]) -> torch.Tensor:
        if self.stop_after is not None and self.read_samples >= self.stop_after:
            raise KeyboardInterrupt
        self.read_samples += len(samples)
        states = torch.zeros(len(samples), 4, 1, 3)
        for row, one in enumerate(samples):
            states[row, :, 0, LABELS.index(one.text.split()[1].removeprefix("x"))] = 1.0
        return states


def write_files(tmp_path: Path) -> dict[str, Path]:
    """Write a schema, labelled samples, and two files of samples written for one relation."""
    schema = RelationSchema("s", tuple(Relation(name, name) for name in LABELS), "none")
    schema.save(tmp_path / "s.yaml")
    train = [sample(i, LABELS[i % 3], f"x{LABELS[i % 3]}") for i in range(12)]
    write_samples(tmp_path / "train.jsonl", train)
    # meant as a cause, every one; a third of them is
    written = [sample(i, "cause", f"x{LABELS[i % 3]}", "generated") for i in range(300)]
    write_samples(tmp_path / "a.jsonl", written[:150])
    write_samples(tmp_path / "b.jsonl", written[150:])
    return {path.stem: path for path in tmp_path.iterdir()}
