"""`relgen data convert`: a corpus in one of the formats to samples.jsonl, with patched labels."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from relgen.common import InputError, counted, refuse_inputs
from relgen.data import ReadStatistics, Sample, load_schema, write_samples
from relgen.data.corpora import (
    FORMATS,
    LabelPatch,
    ReadOptions,
    find_corpus,
    read_corpus,
    unusual_tacred_size,
)

SKIP_BAD_HELP = "leave malformed records out and count them, in place of an error"
_DESCRIPTION = """\
Reads a corpus in one of the formats and writes samples.jsonl. A relative INPUT that does not exist
is looked for below $RELGEN_DATA as well.

"""
_DESCRIPTION += "\n".join(
    textwrap.fill(
        f.description,
        98,
        initial_indent=f"  {name:<10}",
        subsequent_indent=" " * 12,
        break_on_hyphens=False,
    )
    for name, f in FORMATS.items()
)


def add_parser(actions: Any) -> None:
    """Adds the action to the parser of `relgen data`."""
    parser = actions.add_parser(
        "convert",
        help="turn a corpus into samples.jsonl",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="INPUT", help="a file; for hub, a Hub id or a folder")
    parser.add_argument("--format", required=True, choices=FORMATS, help="the corpus's format")
    parser.add_argument("--out", required=True, help="samples.jsonl to write")
    parser.add_argument(
        "--labels",
        metavar="PATCH.json",
        help='corrects labels by id: {"id": "relation", …} or [{"id": …, "relation": …}, …]',
    )
    parser.add_argument(
        "--drop-unpatched",
        action=argparse.BooleanOptionalAction,
        help="leave out the samples that --labels does not name, or let them keep their labels "
        "(left out by Re-TACRED's patch on tacred, kept by all others)",
    )
    parser.add_argument(
        "--rename",
        type=_renaming,
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="another name for a label; can be given several times",
    )
    parser.add_argument("--skip-bad", action="store_true", help=SKIP_BAD_HELP)
    parser.add_argument(
        "--split-name",
        metavar="NAME",
        help="goes into the ids (the file's name; semeval: by number); for hub, the split to load "
        "(train); for tacred, whose size is expected (by the file's name)",
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


def run_convert(args: argparse.Namespace) -> None:
    """`relgen data convert`: one sample in memory at a time, except for corpora of one document."""
    refuse_inputs([args.out], filter(None, (find_corpus(args.input), args.labels)))
    statistics, counts = ReadStatistics(), Counter[str]()
    patch = _patch(args)
    renamed = dict(args.rename)
    unused = set(renamed)

    def converted(samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            if sample.relation in renamed:
                unused.discard(sample.relation)
                sample = sample.with_relation(renamed[sample.relation])
            counts[sample.relation] += 1
            yield sample

    samples = counted(_read(args, statistics), "samples converted")
    total = write_samples(args.out, converted(samples if patch is None else patch.apply(samples)))
    if patch is not None:
        _say_patched(patch, tacred=args.format == "tacred")
    for label in sorted(unused):
        _warn(f"no sample has the label '{label}', which --rename names")
    if args.format == "tacred":
        _say_unusual_size(args, statistics, total if patch and patch.drop_others else None)
    say_skipped(statistics)
    print(f"{total} samples of {len(counts)} relations -> {args.out}")


def say_skipped(statistics: ReadStatistics) -> None:
    """One line about malformed records that were left out, where there are any, and the doubts."""
    for doubt in statistics.doubts:
        _warn(doubt)
    if statistics.skipped:
        print(
            f"{statistics.skipped} malformed records left out, the first: {statistics.problems[0]}"
        )


def _read(args: argparse.Namespace, statistics: ReadStatistics) -> Iterator[Sample]:
    if args.columns and args.format != "hub":
        raise InputError("only --format hub has columns", field="--columns", value=args.columns)
    return read_corpus(
        args.format,
        args.input if args.format == "hub" else find_corpus(args.input),
        ReadOptions(args.split_name, args.mentions, args.columns),
        skip_bad=args.skip_bad,
        statistics=statistics,
    )


def _patch(args: argparse.Namespace) -> LabelPatch | None:
    """The patch of --labels; what becomes of other samples is said by an option or the patch."""
    drop: bool | None = args.drop_unpatched
    if args.labels is None:
        if drop is not None:
            raise InputError(
                "nothing is patched",
                field="--drop-unpatched",
                value=drop,
                remedy="give the patch with --labels PATCH.json",
            )
        return None
    patch = LabelPatch(args.labels)
    patch.drop_others = args.format == "tacred" and patch.is_retacreds if drop is None else drop
    if args.format == "tacred":
        schema = load_schema("retacred" if patch.is_retacreds else "tacred")
        patch.check_labels(schema, dict(args.rename))
    return patch


def _say_patched(patch: LabelPatch, *, tacred: bool) -> None:
    print(f"{patch.applied} of the patch's {len(patch)} labels applied")
    if patch.others and patch.drop_others:
        print(
            f"{patch.others} samples that the patch does not name left out "
            "(--no-drop-unpatched keeps them)"
        )
    elif patch.others:
        # an excerpt of Re-TACRED's need not hold a label by which it is known
        print(
            f"{patch.others} samples that the patch does not name keep their labels"
            f"{', as with TACREV' if tacred else ''} "
            f"(--drop-unpatched leaves them out{', as Re-TACRED does' if tacred else ''})"
        )
    if patch.missing:
        _warn(
            f"{patch.path}: {len(patch.missing)} ids of the patch are not in the corpus, the "
            f"first '{patch.missing[0]}': a partial copy, or the patch of another split"
        )


def _say_unusual_size(
    args: argparse.Namespace, statistics: ReadStatistics, kept: int | None
) -> None:
    odd = unusual_tacred_size(
        args.input,
        args.split_name,
        read=statistics.read + statistics.skipped,
        # what was malformed may have been in the patch, or not
        kept=None if statistics.skipped else kept,
    )
    if odd is not None:
        _warn(odd)


def _warn(what: str) -> None:
    print(f"warning: {what}", file=sys.stderr)


def _columns(text: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in text.split(",")]
    if not all(key and equals and column for key, equals, column in pairs):
        raise argparse.ArgumentTypeError(f"write KEY=COLUMN,KEY=COLUMN, not {text!r}")
    return {key.strip(): column.strip() for key, _, column in pairs}


def _renaming(text: str) -> tuple[str, str]:
    old, _, new = text.partition("=")
    if not old.strip() or not new.strip():
        raise argparse.ArgumentTypeError(f"write OLD=NEW, not {text!r}")
    return old.strip(), new.strip()
