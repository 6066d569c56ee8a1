"""`relgen direct`: the language model as the classifier."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from relgen.common import AUTO, resolved
from relgen.generation import DType


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `relgen`."""
    parser = subparsers.add_parser(
        "direct",
        help="ask a language model for the relation of each sentence",
        description="Direct-RE: a language model reads the relations with their explanations, a "
        "few labelled sentences and each test sentence, and names the relation. Killed, the same "
        "command goes on where it stopped.",
    )
    parser.add_argument("--train", required=True, help="samples.jsonl to show labelled ones from")
    parser.add_argument("--test", required=True, help="samples.jsonl to classify")
    parser.add_argument("--schema", required=True, help="schema.yaml, or a shipped one by name")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument(
        "--model",
        default="smollm2-135m-instruct",
        help="embedded name, local folder or Hub id (smollm2-135m-instruct)",
    )
    parser.add_argument(
        "--dtype",
        choices=[*get_args(DType), AUTO],
        default="float32",
        help="of its weights; auto: bfloat16 where this machine has matrix units for it (float32)",
    )
    parser.add_argument("--device", help="by default a GPU where there is one")
    parser.add_argument(
        "--shots", type=int, default=2, metavar="N", help="labelled sentences to show (2)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of which ones are shown (1)")
    parser.add_argument(
        "--answer",
        choices=["likelihood", "constrained", "free"],
        default="likelihood",
        help="take the likeliest name by mean log-probability a token; decode a name greedily; or "
        "decode freely, where an answer that names no relation is wrong (likelihood)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the answers of other settings or inputs"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Asks, and says how well it went."""
    from relgen.evaluation import DirectSettings, classify

    settings = DirectSettings(
        args.model, resolved(args.dtype), args.device, args.shots, args.seed, args.answer
    )
    summary = classify(
        settings,
        train=args.train,
        test=args.test,
        schema=args.schema,
        out=args.out,
        force=args.force,
    )
    lost = summary["unparseable"]
    wrong = f", {lost} answers name no relation" if lost else ""
    print(
        f"{summary['samples']} sentences: micro-F1 {100 * summary['micro_f1']:.1f}{wrong} "
        f"-> {args.out}"
    )
