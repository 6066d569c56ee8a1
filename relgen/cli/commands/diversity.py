"""`relgen diversity`: how different the samples of each relation are."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relgen.data import Sample

_COLUMNS = {
    "cosine": "cosine ↓",
    "cosine_masked": "masked ↓",
    "distinct_1": "dist-1 ↑",
    "distinct_2": "dist-2 ↑",
    "distinct_3": "dist-3 ↑",
    "self_bleu": "self-BLEU ↓",
    "vendi": "Vendi ↑",
    "word_repetition": "repeated ↓",
    "phrasings": "phrasings ↑",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to relgen's parser."""
    parser = subparsers.add_parser(
        "diversity",
        help="measure how different the samples of each relation are",
        description="Measures how different the samples of each relation are. With --against, both "
        "files are cut to the same number of samples per relation first (a seeded draw).",
    )
    parser.add_argument("samples", type=Path, help="samples file, such as generated.jsonl")
    parser.add_argument(
        "--against", type=Path, help="another samples file to compare with, such as train.jsonl"
    )
    parser.add_argument("--schema", help="schema (path or name): labels are checked against it")
    parser.add_argument(
        "--encoder",
        default="all-minilm-l6-v2",
        help="sentence encoder: embedded name, folder or Hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--size", type=int, help="samples per relation at most (default: all that there are)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: %(default)s)")
    parser.add_argument("--skip-bad", action="store_true", help="leave malformed lines out")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--out", type=Path, help="also write the figures to this file, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Measures and prints. Raises InputError for a file, label or encoder that cannot be used."""
    from relgen.common import InputError, write_json
    from relgen.evaluation import common_sizes, measure
    from relgen.models import SentenceEncoder

    if args.size is not None and args.size < 1:
        raise InputError("must be at least 1", field="--size", value=args.size)
    samples = _read(args.samples, args)
    size: Any = args.size
    if args.against is not None:
        other = _read(args.against, args)
        size = common_sizes(samples, other, size=args.size)
        if not size:
            raise InputError(
                f"shares no relation with {args.samples}",
                path=args.against,
                remedy="compare two files over the same schema",
            )
    encoder = SentenceEncoder(args.encoder)
    result = measure(samples, encoder=encoder, seed=args.seed, size=size)
    if args.against is not None:
        result["against"] = measure(other, encoder=encoder, seed=args.seed, size=size)
    if args.json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        _print_table(result, args.samples, args.against)
    if args.out is not None:
        write_json(args.out, result)
        # standard output holds nothing but JSON when JSON was asked for
        print(f"Wrote {args.out}", file=sys.stderr if args.json else sys.stdout)


def _read(path: Path, args: argparse.Namespace) -> list[Sample]:
    from relgen.data import load_schema, read_samples

    schema = load_schema(args.schema) if args.schema else None
    samples = read_samples(path, skip_bad=args.skip_bad, schema=schema)
    if schema is not None:
        samples.sort(key=lambda sample: schema.labels.index(sample.relation))
    return samples


def _print_table(result: dict[str, Any], path: Path, against: Path | None) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"Diversity of {path}" + (f" against {against}" if against else ""),
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("relation", overflow="fold", min_width=12)
    table.add_column("n", justify="right")
    for title in _COLUMNS.values():
        table.add_column(title, justify="right", min_width=5)
    for label, size in result["sizes"].items():
        table.add_row(label, str(size), *_cells(result["per_relation"][label]))
        if against:
            table.add_row("  against", "", *_cells(result["against"]["per_relation"][label]))
    table.add_section()
    table.add_row("mean over relations", "", *_cells(result["overall"]), style="bold")
    if against:
        table.add_row("  against", "", *_cells(result["against"]["overall"]), style="bold")
    console = Console()
    # piped output has no width of its own: columns must not be cut
    Console(width=None if console.is_terminal else 160).print(table)
    console.print(f"Encoder: {result['encoder']}. ↓ lower is more diverse, ↑ higher is.")
    drawn = {
        label: size
        for label, size in result["self_bleu_sizes"].items()
        if size < result["sizes"][label]
    }
    if drawn:
        console.print(
            f"Self-BLEU of {', '.join(drawn)}: on {max(drawn.values()):,} sentences, drawn by seed."
        )


def _cells(values: dict[str, float | None]) -> list[str]:
    def shown(name: str) -> str:
        value = values[name]
        return "–" if value is None else f"{value:.{1 if name == 'vendi' else 3}f}"

    return [shown(name) for name in _COLUMNS]
