"""`relgen data`: K-shot splits, the shipped corpus and dataset folders.

Conversion and schemas stand in `data_convert` and `data_schema`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from relgen.cli.commands import data_convert, data_schema
from relgen.cli.commands.data_convert import SKIP_BAD_HELP, say_skipped
from relgen.common import InputError, refuse_inputs, refuse_other_readme, write_json
from relgen.data import (
    ReadStatistics,
    RelationSchema,
    iter_samples,
    load_schema,
    manifest,
    read_samples,
    split,
    write_samples,
)
from relgen.data.corpora import save_everyday


def add_parser(subparsers: Any) -> None:
    """Adds the command and its sub-commands to the parser of `relgen`."""
    parser = subparsers.add_parser(
        "data",
        help="convert corpora, make K-shot splits and schemas, write the shipped corpus",
        description="Samples in and out: every other command reads the samples.jsonl made here.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    data_convert.add_parser(actions)
    _add_split(actions)
    _add_everyday(actions)
    _add_card(actions)
    data_schema.add_parser(actions)


def _add_split(actions: Any) -> None:
    parser = actions.add_parser(
        "split",
        help="choose K samples for each relation",
        description="Chooses K training samples for each relation, by seed, and a development set "
        "that shares neither an id nor a sentence with them.",
    )
    parser.add_argument("samples", help="samples.jsonl")
    parser.add_argument("--shots", type=int, required=True, metavar="K", help="samples a relation")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another choice (1)")
    parser.add_argument(
        "--dev",
        choices=["full", "K", "none"],
        default="full",
        help="development set: all other samples (default), K others for each relation, or none",
    )
    parser.add_argument(
        "--dev-from", metavar="DEV.jsonl", help="take the development set from this file instead"
    )
    parser.add_argument(
        "--exclude", metavar="TEST.jsonl", help="choose no sentence and no id of this file"
    )
    parser.add_argument("--schema", help="schema.yaml, or a shipped one by name: checks the labels")
    parser.add_argument("--skip-bad", action="store_true", help=SKIP_BAD_HELP)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.set_defaults(run=run_split)


def _add_everyday(actions: Any) -> None:
    parser = actions.add_parser(
        "everyday",
        help="write the shipped corpus as files",
        description="Writes the corpus that relgen ships: train.jsonl, dev.jsonl, test.jsonl, "
        "schema.yaml and README.md, its data card.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.set_defaults(run=run_everyday)


def _add_card(actions: Any) -> None:
    parser = actions.add_parser(
        "card",
        help="make a dataset folder with a card from generated samples",
        description="Gathers generated samples in a folder with a dataset card, ready for the Hub. "
        "Nothing is uploaded.",
    )
    parser.add_argument("generated", nargs="+", help="one or several generated.jsonl")
    parser.add_argument("--schema", required=True, help="schema.yaml, or a shipped one by name")
    parser.add_argument(
        "--license", required=True, help="licence of the labelled seed data, e.g. cc-by-3.0"
    )
    parser.add_argument("--title", help="the card's heading (from the schema's name)")
    parser.add_argument("--language", default="en", help="of the sentences, ISO 639-1 (en)")
    parser.add_argument(
        "--first", type=int, metavar="N", help="the first N samples written for each relation only"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.set_defaults(run=run_card)


def run_split(args: argparse.Namespace) -> None:
    """`relgen data split`."""
    written = [Path(args.out) / name for name in ("train.jsonl", "dev.jsonl")]
    refuse_inputs(written, filter(None, (args.samples, args.dev_from, args.exclude)))
    schema: RelationSchema | None = load_schema(args.schema) if args.schema else None
    statistics = ReadStatistics()
    samples = read_samples(
        args.samples, skip_bad=args.skip_bad, schema=schema, statistics=statistics
    )
    dev_samples = None if args.dev_from is None else read_samples(args.dev_from, schema=schema)
    exclude = iter_samples(args.exclude) if args.exclude else ()
    result = split(
        samples,
        schema,
        shots=args.shots,
        seed=args.seed,
        dev=args.dev,
        dev_samples=dev_samples,
        exclude=exclude,
    )
    others = [path for path in (args.dev_from, args.exclude) if path]
    out = Path(args.out)
    # the manifest goes first and comes back last: a folder with one holds a whole split
    (out / "manifest.json").unlink(missing_ok=True)
    write_samples(out / "train.jsonl", result.train)
    if result.dev:
        write_samples(out / "dev.jsonl", result.dev)
    else:
        (out / "dev.jsonl").unlink(missing_ok=True)
    write_json(
        out / "manifest.json",
        manifest(
            result, args.samples, shots=args.shots, seed=args.seed, dev=args.dev, others=others
        ),
    )
    say_skipped(statistics)
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{len(result.train)} training and {len(result.dev)} development samples -> {out}")


def run_everyday(args: argparse.Namespace) -> None:
    """`relgen data everyday`."""
    refuse_other_readme(args.out)
    save_everyday(args.out)
    print(f"train, dev and test samples, schema.yaml and README.md -> {Path(args.out)}")


def run_card(args: argparse.Namespace) -> None:
    """`relgen data card`."""
    from relgen.data import write_dataset_folder

    if args.first is not None and args.first < 1:
        raise InputError("must be at least 1", field="--first", value=args.first)
    refuse_inputs([Path(args.out) / "train.jsonl"], args.generated)
    refuse_other_readme(args.out)
    counts = write_dataset_folder(
        args.generated,
        args.out,
        schema=load_schema(args.schema),
        seed_license=args.license,
        title=args.title,
        language=args.language,
        first=args.first,
    )
    print(f"{counts.total()} samples of {len(counts)} relations and a card -> {args.out}")
