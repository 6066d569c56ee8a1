"""The entity-marker classifier on a CPU: relgen against transformers' Trainer.

    python -m benchmarks.classifier                          # SemEval, or the everyday corpus
    python -m benchmarks.classifier --train-samples 640 --test-samples 200 --rounds 3
    python -m benchmarks.classifier --trained runs/x/model   # the test pass only

Both sides have the settings of the preset `classifier/entity_marker` (frozen input embeddings, no
dropout), and get the same samples, token ids, initial weights, batch size, epochs, optimiser,
schedule and clipping. A training epoch is measured from its first batch to its last step, a test
pass from samples to labels, tokenising included. Trainer knows the tokenizer, and so collates as it
then does by default: samples in random order (test: in the file's), each batch padded to its
longest sample; its encoder is transformers' own.

Checked first: the same logits, loss and gradient from the same weights, and the same labels of the
test samples from the trained ones.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks import harness
from benchmarks.classifier_checks import check_labels, check_step
from benchmarks.classifier_sides import TEST_SIDES, TRAIN_SIDES, measure_side, predicting_sides
from benchmarks.harness import Row, median
from relgen.common import InputError, multiplies_bfloat16
from relgen.data import RecordChecks, Sample, write_samples
from relgen.data.corpora import everyday, read_corpus, semeval
from relgen.models import EMBEDDED_ENCODER

LEAST_EQUAL_LABELS = 0.995
TOLERANCE = {"logits": 1e-4, "loss": 1e-5, "gradient": 1e-4}


def main(argv: Sequence[str] | None = None) -> None:
    """Check, then measure training and test pass; or only the side that `--side` names."""
    # Trainer and torchmetrics would otherwise find a GPU
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    args = arguments(argv)
    if args.side in (TRAIN_SIDES[1], TEST_SIDES[1]):
        # Trainer's model computes as torch has it
        os.environ["RELGEN_KERNELS"] = "off"
    torch.set_num_threads(args.threads)
    if args.side:
        print(json.dumps(measure_side(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        args.work = args.work or folder
        _compare(args)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = harness.parser("The entity-marker classifier on a CPU against transformers' Trainer.")
    parser.add_argument("--train-samples", type=int, metavar="N", help="of the corpus (all)")
    parser.add_argument("--test-samples", type=int, metavar="N", help="of the corpus (all)")
    parser.add_argument("--epochs", type=int, default=1, help="the time is one epoch's (1)")
    parser.add_argument("--batch-size", type=int, default=32, help="of both trainings (32)")
    parser.add_argument("--test-batch-size", type=int, default=64, help="of Trainer's test (64)")
    parser.add_argument("--model", default=EMBEDDED_ENCODER, help="name, folder or Hub id")
    parser.add_argument(
        "--bfloat16",
        action=argparse.BooleanOptionalAction,
        default=multiplies_bfloat16(),
        help="a test pass in bfloat16 as well (where the processor has instructions for it)",
    )
    parser.add_argument("--trained", metavar="DIR", help="a saved classifier; nothing is trained")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _compare(args: argparse.Namespace) -> None:
    corpus = write_data(args)
    content: Row = {
        "environment": harness.environment(threads=args.threads, seed=args.seed),
        "corpus": corpus,
        "step": check_step(args, TOLERANCE),
    }
    options = _options(args)
    measure = partial(harness.measure, "benchmarks.classifier", rounds=args.rounds)
    found: dict[str, list[Row]] = {}
    if not args.trained:
        found |= measure({side: [] for side in TRAIN_SIDES}, options, threads=args.threads)
        args.trained = str(Path(args.work, "relgen", "model"))
        options = _options(args)
    content["labels"] = check_labels(args, LEAST_EQUAL_LABELS)
    found |= measure({side: [] for side in predicting_sides(args)}, options, threads=args.threads)
    if args.threads > 1:
        single = measure({TEST_SIDES[0]: []}, options, threads=1)[TEST_SIDES[0]]
        content["one thread"] = {"measured": single, "seconds": median(single, "seconds")}
    for side, rows in found.items():
        base = side.split("-")[0] + "-trainer"
        seconds = median(rows, "seconds")
        ratio = median(found[base], "seconds") / seconds
        content[side] = {"measured": rows, "seconds": seconds, "times faster": ratio}
    _print(args, content, found)
    harness.save(args.json, content)


def _options(args: argparse.Namespace) -> list[str]:
    names = ("work", "seed", "epochs", "batch_size", "test_batch_size", "model", "trained")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return [x for name, value in given.items() for x in (f"--{name.replace('_', '-')}", str(value))]


def _print(args: argparse.Namespace, content: Row, found: dict[str, list[Row]]) -> None:
    table = [
        [
            side,
            content[side]["seconds"],
            rows[0]["samples"] / content[side]["seconds"],
            content[side]["times faster"],
            rows[0]["tokens"],
            rows[0]["micro_f1"],
            median(rows, "peak_mb"),
        ]
        for side, rows in found.items()
    ]
    labels = ", ".join(f"{side} {share:.2%}" for side, share in content["labels"].items())
    notes = [
        "tokens: through the model, padding included; Trainer's batches are padded to their "
        "longest sample (DataCollatorWithPadding)",
        "differences from the same weights: "
        + ", ".join(f"{name} {value:.1e}" for name, value in content["step"].items()),
        f"labels equal to Trainer's: {labels}",
    ]
    if "one thread" in content:
        one = content["one thread"]["seconds"]
        gain = one / content[TEST_SIDES[0]]["seconds"]
        notes.append(f"{TEST_SIDES[0]}: {one:.3g} s on 1 thread, ×{gain:.2f} on {args.threads}")
    harness.report(
        f"{args.model} with entity markers, {content['corpus']}, batches of {args.batch_size}",
        ["side", "seconds", "samples/s", "× Trainer", "tokens", "micro-F1", "peak MB"],
        table,
        content["environment"],
        notes=notes,
    )


def write_data(args: argparse.Namespace) -> str:
    """Write the samples that all sides read; return their description."""
    folder = harness.semeval()
    if folder:
        train = list(read_corpus("semeval", RecordChecks(folder / semeval.TRAIN_FILE)))
        test = list(read_corpus("semeval", RecordChecks(folder / semeval.TEST_FILE)))
    else:
        train, test = everyday.read_split("train"), everyday.read_split("test")
    train, test = (
        _some(train, args.train_samples, args.seed),
        _some(test, args.test_samples, args.seed),
    )
    if len(train) < args.batch_size:
        raise InputError("less than one batch", field="--train-samples", value=len(train))
    # an epoch of relgen is a number of whole batches
    train = train[: len(train) // args.batch_size * args.batch_size]
    work = Path(args.work)
    write_samples(work / "train.jsonl", train)
    write_samples(work / "test.jsonl", test)
    (work / "schema").write_text("semeval" if folder else "everyday")
    name = "SemEval-2010 Task 8" if folder else "the everyday corpus"
    return f"{len(train)} / {len(test)} samples of {name}"


def _some(samples: list[Sample], count: int | None, seed: int) -> list[Sample]:
    if count is None or count >= len(samples):
        return samples
    return random.Random(seed).sample(samples, count)


if __name__ == "__main__":
    harness.run_main(main)
