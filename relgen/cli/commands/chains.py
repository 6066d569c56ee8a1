"""`relgen chains`: labelled samples to chains of preference pairs."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from relgen.common import InputError, refuse_inputs
from relgen.data import load_schema, read_samples
from relgen.dpo import EQUAL_SHARES, REJECTION_KINDS, RejectionKind, build_chains, write_chains


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `relgen`."""
    parser = subparsers.add_parser(
        "chains",
        help="build preference pairs from labelled samples",
        description="Builds chains of preference pairs from labelled samples: the chosen sample is "
        "a labelled one, the rejected one has a wrong label or copies a demonstration.",
    )
    parser.add_argument("train", help="samples.jsonl, a few for each relation")
    parser.add_argument("--schema", required=True, help="schema.yaml, or a shipped one by name")
    parser.add_argument("--half", choices=["a", "b"], help="relations of this half only")
    parser.add_argument("--seed", type=int, default=1, help="of halves, orders and choices (1)")
    parser.add_argument(
        "--shares",
        type=_shares,
        default=EQUAL_SHARES,
        metavar="KIND=WEIGHT,…",
        help=f"relative shares of {', '.join(REJECTION_KINDS)} (equal); a kind left out gets none",
    )
    parser.add_argument(
        "--chains-per-relation", type=int, default=1, metavar="N", help="chains a relation (1)"
    )
    parser.add_argument("--out", required=True, help="chains.jsonl to write")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Reads, builds, writes, and says what it wrote."""
    if args.chains_per_relation < 1:
        raise InputError(
            "must be at least 1", field="--chains-per-relation", value=args.chains_per_relation
        )
    refuse_inputs([args.out], [args.train, args.schema])
    schema = load_schema(args.schema)
    chains = build_chains(
        read_samples(args.train, schema=schema),
        schema,
        seed=args.seed,
        half=args.half,
        shares=args.shares,
        chains_per_relation=args.chains_per_relation,
    )
    write_chains(args.out, chains)
    kinds = Counter(pair.kind for chain in chains for pair in chain.pairs)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in REJECTION_KINDS)
    print(f"{len(chains)} chains, {sum(kinds.values())} pairs ({counts}) -> {args.out}")


def _shares(text: str) -> dict[RejectionKind, float]:
    shares: dict[RejectionKind, float] = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        if name not in REJECTION_KINDS:
            raise argparse.ArgumentTypeError(
                f"unknown kind '{name}', one of {', '.join(REJECTION_KINDS)}"
            )
        try:
            shares[name] = float(weight)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{part}' is not KIND=WEIGHT") from error
    return shares
