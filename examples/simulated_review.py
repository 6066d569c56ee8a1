"""What an hour of labelling brings: a person is simulated from the corpus's own labels.

The person labels the sentences that `relgen suggest` names, 8 seconds each, and errs in one of 20.

Usage: simulated_review.py FOLDER [ROUNDS]
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from relgen.classifiers import classify_by_reading
from relgen.cli.main import main
from relgen.data import Sample, load_schema, read_samples, write_samples
from relgen.labelling import ReaderOptions, SuggestOptions, suggest

SENTENCES, SECONDS, ERRORS = 20, 8, 0.05


def review(out: Path, rounds: int) -> None:
    """Print micro-F1 on the test set before any labelling and after each round of it."""
    main(["data", "everyday", "--out", str(out / "corpus")])
    corpus = out / "corpus" / "train.jsonl"
    main(["data", "split", str(corpus), "--shots", "2", "--seed", "1", "--out", str(out / "split")])
    gold = {sample.id: sample.relation for sample in read_samples(corpus)}
    labelled, draws = read_samples(out / "split" / "train.jsonl"), random.Random(1)
    print("sentences labelled  minutes  micro-F1")
    for number in range(rounds + 1):
        train = out / f"train{number}.jsonl"
        write_samples(train, labelled)
        read = number * SENTENCES
        print(f"{read:>18}{read * SECONDS / 60:>9.0f}{f1(out, train):>10.1f}")
        if number < rounds:
            chosen = suggest(
                SuggestOptions(
                    train=str(train),
                    unlabelled=str(corpus),
                    schema="everyday",
                    number=SENTENCES,
                    pool=4 * SENTENCES,
                )
            )
            labelled += [person(row, gold[row["id"]], draws) for row in chosen["rows"]]


def person(row: dict[str, object], right: str, draws: random.Random) -> Sample:
    """Return a suggestion with the label that the simulated person gives it."""
    wrong = [label for label in load_schema("everyday").labels if label != right]
    relation = draws.choice(wrong) if draws.random() < ERRORS else right
    return Sample.from_json({**row, "relation": relation})


def f1(out: Path, train: Path) -> float:
    """Return the micro-F1, in %, of what the language model reads in the test sentences."""
    options = ReaderOptions(
        train=str(train),
        test=str(out / "corpus" / "test.jsonl"),
        schema="everyday",
        out=str(out / train.stem),
    )
    return 100 * classify_by_reading(options)["micro_f1"]


if __name__ == "__main__":
    review(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2)
