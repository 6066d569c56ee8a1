"""`relgen diversity`: measures how different the samples of each relation are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relgen.common import InputError, check_outputs, encode_json, print_json, recorded, write_json
from relgen.evaluation import DiversityOptions as Options

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


def run(options: Options) -> None:
    """Measure and print. Raises InputError for a file, label or encoder that cannot be used."""
    if options.out is None:
        _measured(options)
        return
    check_outputs([options.out], [options.samples, options.against, options.schema])
    with recorded([options.out], "diversity"):
        write_json(options.out, _measured(options), replace=options.force)
    # standard output holds nothing but JSON when JSON was asked for
    print(f"Wrote {options.out}", file=sys.stderr if options.json else sys.stdout)


def _measured(options: Options) -> dict[str, Any]:
    """Measure, print, and return what was measured."""
    from relgen.evaluation import common_sizes, measure
    from relgen.models import SentenceEncoder

    samples = _read(options.samples, options)
    size: Any = options.size
    if options.against is not None:
        other = _read(options.against, options)
        size = common_sizes(samples, other, size=options.size)
        if not size:
            raise InputError(
                f"shares no relation with {options.samples}",
                path=options.against,
                remedy="compare two files over the same schema",
            )
    encoder = SentenceEncoder(options.encoder)
    result = measure(samples, encoder=encoder, seed=options.seed, size=size)
    if options.against is not None:
        result["against"] = measure(other, encoder=encoder, seed=options.seed, size=size)
    if options.json:
        print_json(f"{encode_json(result, indent=2)}\n")
    else:
        _print_table(result, options.samples, options.against)
    return result


def _read(path: str | Path, options: Options) -> list[Sample]:
    from relgen.data import load_schema, read_samples

    schema = load_schema(options.schema) if options.schema else None
    samples = read_samples(path, skip_bad=options.skip_bad, schema=schema)
    if schema is not None:
        samples.sort(key=lambda sample: schema.labels.index(sample.relation))
    return samples


def _print_table(result: dict[str, Any], path: str | Path, against: str | Path | None) -> None:
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
    # piped output has no width of its own: columns must not be cut; labels are no markup
    width = None if Console().is_terminal else 160
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    console.print(table)
    console.print(f"Encoder: {result['encoder']}. ↓ lower is more diverse, ↑ higher is.")
    if result["function_words"] is None:
        console.print("Repeated words are counted with function words: the language is not known.")
    if alone := [label for label, size in result["sizes"].items() if size < 2]:
        console.print(f"The means leave out {', '.join(alone)} where a measure needs two samples.")
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
        return "–" if value is None else f"{value:z.{1 if name == 'vendi' else 3}f}"

    return [shown(name) for name in _COLUMNS]
