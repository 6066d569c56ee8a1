"""`relgen export`: a tuned model for other programs."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from relgen.common import InputError
from relgen.generation import DType


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `relgen`."""
    parser = subparsers.add_parser(
        "export",
        help="write a tuned language model for serving",
        description="Merges an adapter into its base model: the folder loads in transformers and "
        "vLLM like any other model.",
    )
    parser.add_argument("adapter", help="folder that `relgen dpo fit` wrote")
    parser.add_argument(
        "--merge", action="store_true", help="make the adapter part of the weights (needed)"
    )
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument("--model", help="the base model; by default the one the adapter names")
    parser.add_argument(
        "--dtype", choices=get_args(DType), help="of the weights; by default the base's own"
    )
    parser.add_argument("--force", action="store_true", help="replace an earlier export at --out")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Merges, and says where the model is."""
    if not args.merge:
        raise InputError(
            "an adapter needs no export: servers that take adapters read its folder as it is",
            field="--merge",
            path=args.adapter,
            remedy="give --merge for a model in one piece",
        )
    from relgen.models import export_merged

    out = export_merged(
        args.adapter, args.out, model=args.model, dtype=args.dtype, force=args.force
    )
    print(f"merged model -> {out}")
