"""`relgen data`: corpora to samples, K-shot splits, the shipped corpus, and dataset folders."""

from __future__ import annotations

import argparse
import functools
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relgen.corpora import FORMATS, find_corpus, load_reader
from relgen.corpora.patch import LabelPatch
from relgen.errors import InputError
from relgen.fewshot import manifest, split
from relgen.files import read_text, refuse_inputs, refuse_other_readme, write_json, write_text
from relgen.progress import counted
from relgen.records import ReadStatistics
from relgen.samples import Sample, iter_samples, read_samples, write_samples
from relgen.schema import RelationSchema, load_schema

_SKIP_BAD = "leave malformed records out and count them, in place of an error"


def add_parser(subparsers: Any) -> None:
    """Adds the command and its four sub-commands to the parser of `relgen`."""
    parser = subparsers.add_parser(
        "data",
        help="convert corpora, make K-shot splits, write the shipped corpus or a dataset folder",
        description="Samples in and out: every other command reads the samples.jsonl made here.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _add_convert(actions)
    _add_split(actions)
    _add_everyday(actions)
    _add_card(actions)


def _add_convert(actions: Any) -> None:
    parser = actions.add_parser(
        "convert",
        help="turn a corpus into samples.jsonl",
        description="Reads a corpus in one of the formats and writes samples.jsonl. A relative "
        "INPUT that does not exist is looked for below $RELGEN_DATA as well.",
    )
    parser.add_argument("input", metavar="INPUT", help="a file; for hub, a Hub id or a folder")
    parser.add_argument("--format", required=True, choices=FORMATS, help="the corpus's format")
    parser.add_argument("--out", required=True, help="samples.jsonl to write")
    parser.add_argument(
        "--labels", metavar="PATCH.json", help='an object {"id": "relation"} that corrects labels'
    )
    parser.add_argument("--skip-bad", action="store_true", help=_SKIP_BAD)
    parser.add_argument(
        "--split-name",
        metavar="NAME",
        help="goes into the ids; for hub, the split to load (train; semeval: by number)",
    )
    parser.add_argument(
        "--mentions",
        choices=["first", "all"],
        default="first",
        help="fewrel: the first pair of mentions that do not overlap (default), or all of them",
    )
    parser.add_argument(
        "--columns",
        type=_columns,
        metavar="KEY=COLUMN,…",
        help="hub: where text, tokens, relation, head, tail and id stand",
    )
    parser.set_defaults(run=run_convert)


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
    parser.add_argument("--skip-bad", action="store_true", help=_SKIP_BAD)
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
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.set_defaults(run=run_card)


def run_convert(args: argparse.Namespace) -> None:
    """`relgen data convert`: one sample in memory at a time, except for FewRel's one document."""
    statistics, counts = ReadStatistics(), Counter[str]()
    patch = LabelPatch(args.labels) if args.labels else None
    samples = counted(_read(args, statistics), "samples converted")

    def converted() -> Iterator[Sample]:
        for sample in samples if patch is None else patch.apply(samples):
            counts[sample.relation] += 1
            yield sample

    total = write_samples(args.out, converted())
    if patch is not None:
        print(f"{patch.applied} of the patch's {len(patch)} labels applied")
    _say_skipped(statistics)
    print(f"{total} samples of {len(counts)} relations -> {args.out}")


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
    _say_skipped(statistics)
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{len(result.train)} training and {len(result.dev)} development samples -> {out}")


def run_everyday(args: argparse.Namespace) -> None:
    """`relgen data everyday`."""
    from relgen.corpora import everyday

    out = Path(args.out)
    refuse_other_readme(out)
    for name in everyday.SPLITS:
        write_text(out / f"{name}.jsonl", read_text(everyday.split_path(name)))
    load_schema("everyday").save(out / "schema.yaml")
    write_text(out / "README.md", read_text(everyday.DATA_CARD))
    print(f"train, dev and test samples, schema.yaml and README.md -> {out}")


def run_card(args: argparse.Namespace) -> None:
    """`relgen data card`."""
    from relgen.dataset_card import write_dataset_folder

    refuse_inputs([Path(args.out) / "train.jsonl"], args.generated)
    refuse_other_readme(args.out)
    counts = write_dataset_folder(
        args.generated,
        args.out,
        schema=load_schema(args.schema),
        seed_license=args.license,
        title=args.title,
        language=args.language,
    )
    print(f"{counts.total()} samples of {len(counts)} relations and a card -> {args.out}")


def _read(args: argparse.Namespace, statistics: ReadStatistics) -> Iterator[Sample]:
    reader = load_reader(args.format)
    if args.format == "fewrel":
        from relgen.corpora import fewrel

        reader = functools.partial(fewrel.read, mentions=args.mentions)
    if args.format == "hub":
        from relgen.corpora import hub

        reader = functools.partial(hub.read, columns=args.columns)
    elif args.columns:
        raise InputError("only --format hub has columns", field="--columns", value=args.columns)
    return reader(
        args.input if args.format == "hub" else find_corpus(args.input),
        split_name=args.split_name,
        skip_bad=args.skip_bad,
        statistics=statistics,
    )


def _columns(text: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in text.split(",")]
    if not all(key and equals and column for key, equals, column in pairs):
        raise argparse.ArgumentTypeError(f"write KEY=COLUMN,KEY=COLUMN, not {text!r}")
    return {key.strip(): column.strip() for key, _, column in pairs}


def _say_skipped(statistics: ReadStatistics) -> None:
    if statistics.skipped:
        print(
            f"{statistics.skipped} malformed records left out, the first: {statistics.problems[0]}"
        )
