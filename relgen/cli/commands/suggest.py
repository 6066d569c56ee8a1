"""`relgen suggest`: sentences to label next, or labels that may be wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from relgen.common import encode_json, print_json
from relgen.labelling import LEFT_OUT
from relgen.labelling import SuggestOptions as Options


def run(options: Options) -> None:
    """Suggest, and print how many; without --out, the suggestions themselves."""
    from relgen.labelling import suggest

    summary = suggest(options)
    if options.out is None:
        for row in summary["rows"]:
            print_json(f"{encode_json(row)}\n")
    said = _errors(summary) if options.errors else _sentences(summary, options.train)
    target = f" -> {options.out}" if options.out else ""
    print(f"{said}{target}", file=sys.stdout if options.out else sys.stderr)


def _sentences(summary: dict[str, Any], train: str | Path) -> str:
    score = summary["train_micro_f1"]
    known = "not known" if score is None else f"{100 * score:.1f}"
    left_out = {why: number for why, number in summary["left_out"].items() if why != "not_chosen"}
    reasons = ", ".join(f"{number} {LEFT_OUT[why]}" for why, number in left_out.items())
    return (
        f"{len(summary['rows'])} of {summary['read']} sentences to label next"
        f"{f' (left out: {reasons})' if reasons else ''}; cross-validated micro-F1 on {train}: "
        f"{known}; set their `relation`, add them to it, and suggest again"
    )


def _errors(summary: dict[str, Any]) -> str:
    shown, found, number = len(summary["rows"]), summary["found"], summary["not_judged"]
    most = f", the {shown} most suspicious shown" if shown < found else ""
    alone = f" ({number} could not be judged: no other sentence has their relation)"
    return f"{found} of {summary['read']} labels may be wrong{most}{alone if number else ''}"
