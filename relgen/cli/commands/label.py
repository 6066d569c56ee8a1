"""`relgen label`: labels generated samples by what a language model reads in them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, get_args

from relgen.common import AUTO, resolved
from relgen.generation import DType


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `relgen`."""
    parser = subparsers.add_parser(
        "label",
        help="label generated samples by what a language model reads in them",
        description="Gives each sample the probability of every relation: a regression over a "
        "language model's hidden states, fitted to the labelled samples. Classifiers train on "
        "these probabilities in place of the relation that the generator was asked for. "
        "Interrupted or killed, the same command goes on where it stopped.",
    )
    parser.add_argument("samples", nargs="+", help="samples files, such as generated.jsonl")
    parser.add_argument("--train", required=True, help="samples.jsonl with labelled samples")
    parser.add_argument("--schema", required=True, help="schema.yaml, or a shipped one by name")
    parser.add_argument(
        "--model",
        default="smollm2-135m-instruct",
        help="language model that reads: embedded name, folder or Hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--dtype",
        default="float32",
        choices=[*get_args(DType), AUTO],
        help="of its weights; auto: bfloat16 where this machine has matrix units for it "
        "(default: %(default)s)",
    )
    parser.add_argument("--device", help="cpu, cuda, …; by default cuda where there is one")
    parser.add_argument(
        "--penalty", type=float, default=1.0, help="on the regression's weights (%(default)s)"
    )
    parser.add_argument(
        "--least-certainty",
        type=float,
        default=0.0,
        metavar="P",
        help="leave out samples whose most probable relation has less than this probability; they "
        "go to NAME.uncertain.jsonl beside --out (%(default)s)",
    )
    parser.add_argument("--out", required=True, help="samples file to write")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Labels, and says how many samples are what they were written for."""
    from relgen.common import InputError, refuse_inputs
    from relgen.labelling import LabelSettings, label

    if not args.penalty > 0:
        raise InputError("must be above 0", field="--penalty", value=args.penalty)
    summary_path = Path(args.out).with_suffix(".json")
    refuse_inputs([args.out, summary_path], [*args.samples, args.train, args.schema])
    settings = LabelSettings(
        args.model, resolved(args.dtype), args.device, args.penalty, args.least_certainty
    )
    summary = label(
        settings, generated=args.samples, train=args.train, schema=args.schema, out=args.out
    )
    for relation, counts in summary["relations"].items():
        if counts["intended"] and not counts["labelled"]:
            print(
                f"warning: {relation}: {counts['intended']} samples were written for it, and "
                "none is read as it",
                file=sys.stderr,
            )
    score = summary["train_micro_f1"]
    known = "not known" if score is None else f"{100 * score:.1f}"
    left_out = f" ({summary['uncertain']} left out)" if summary["uncertain"] else ""
    print(
        f"{summary['samples']} samples labelled{left_out}, {summary['agreed']} of them as the "
        f"files had it (micro-F1 {100 * summary['given_micro_f1']:.1f}); "
        "micro-F1 on labelled samples left out, whose relations are as frequent as in "
        f"{args.train}: {known} -> {args.out}"
    )
