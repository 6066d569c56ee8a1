"""Measures what `relgen suggest` brings to the reader, against a random draw.

Usage: suggest_pays.py [SHOTS [NUMBER [SPLITS]]]

The reader knows some sentences of each relation of the everyday corpus. Of the others, some are
labelled, with an error of 5%, and join them. Printed are the reader's micro-F1 on the test set
before and after, and the difference between both choices, as means over splits.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Sequence

import torch

from relgen.data import load_schema
from relgen.data.corpora import read_split
from relgen.evaluation import score_labels
from relgen.labelling import Probe, StateReader, choose_valuable, fit_probe, sketcher

ERRORS = 0.05
SCHEMA = load_schema("everyday")


def main(shots: int = 2, number: int = 20, splits: int = 20) -> None:
    """Print the scores."""
    reader = StateReader("smollm2-135m-instruct", "float32", torch.device("cpu"))
    train, test = read_split("train"), read_split("test")
    states, tested = reader.read(train), reader.read(test)

    gold = [sample.relation for sample in test]
    labels = torch.tensor([SCHEMA.labels.index(sample.relation) for sample in train])

    def fit(rows: Sequence[int], given: torch.Tensor) -> Probe:
        return fit_probe(states[rows], given, inverses=[None] * len(SCHEMA), penalty=1.0)

    def score(probe: Probe) -> float:
        read = probe.probabilities(tested).argmax(dim=1).tolist()
        return 100 * score_labels([SCHEMA.labels[i] for i in read], gold, SCHEMA).micro_f1

    scores: dict[str, list[float]] = {"before": [], "random": [], "suggested": []}
    for seed in range(splits):
        rng = random.Random(seed)
        rows = list(range(len(train)))
        rng.shuffle(rows)
        known = [
            row
            for label in range(len(SCHEMA))
            for row in [row for row in rows if labels[row] == label][:shots]
        ]
        pool = [row for row in rows if row not in known]
        before, sketch = fit(known, labels[known]), sketcher(states[known], seed)
        scores["before"].append(score(before))
        given = before.probabilities(states[pool]), sketch(states[pool]), sketch(states[known])
        choices = {
            "random": pool[:number],
            "suggested": [pool[i] for i in choose_valuable(*given, number)],
        }
        for name, chosen in choices.items():
            said = [*labels[known].tolist(), *(person(int(labels[i]), rng) for i in chosen)]
            scores[name].append(score(fit([*known, *chosen], torch.tensor(said))))
    print(*(f"{name} {statistics.mean(found):.1f}" for name, found in scores.items()), sep=", ")
    pairs = zip(scores["suggested"], scores["random"], strict=True)
    gains = [one - other for one, other in pairs]
    print(f"suggested - random {statistics.mean(gains):+.1f} (error {error(gains):.1f})")


def person(label: int, rng: random.Random) -> int:
    """Return the label that a person gives."""
    others = [other for other in range(len(SCHEMA)) if other != label]
    return rng.choice(others) if rng.random() < ERRORS else label


def error(values: Sequence[float]) -> float:
    """Return the standard error of a mean."""
    return statistics.stdev(values) / len(values) ** 0.5


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
