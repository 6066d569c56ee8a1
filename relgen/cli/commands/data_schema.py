"""`relgen data schema`: descriptions of relations, such as FewRel's, to schema.yaml."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(actions: Any) -> None:
    """Adds the action to the parser of `relgen data`."""
    parser = actions.add_parser(
        "schema",
        help="make schema.yaml from descriptions of relations",
        description="Makes a schema from a file such as FewRel's and wiki80's pid2name.json, "
        '{"P177": ["crosses", "obstacle that a bridge …"], …}: name and description become the '
        "explanation. With --samples it holds the relations found there, by id or by name.",
    )
    parser.add_argument("descriptions", metavar="PID2NAME.json", help="names and descriptions")
    parser.add_argument("--out", required=True, help="schema.yaml to write")
    parser.add_argument(
        "--samples",
        nargs="+",
        default=[],
        metavar="SAMPLES.jsonl",
        help="take only the relations of these files (all that are described)",
    )
    parser.add_argument("--name", help="the schema's name (that of --out)")
    parser.add_argument(
        "--negative", metavar="LABEL", help="the label that stands for none of them (none)"
    )
    parser.set_defaults(run=run_schema)


def run_schema(args: argparse.Namespace) -> None:
    """`relgen data schema`."""
    from relgen.common import refuse_inputs
    from relgen.data import read_descriptions, schema_from_descriptions

    refuse_inputs([args.out], [args.descriptions, *args.samples])
    schema = schema_from_descriptions(
        read_descriptions(args.descriptions),
        name=args.name or Path(args.out).stem,
        samples=args.samples,
        negative=args.negative,
    )
    schema.save(args.out)
    print(f"a schema of {len(schema)} relations -> {args.out}")
