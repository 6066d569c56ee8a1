"""`relgen suggest`: sentences to label next, or labels that may be wrong."""

from __future__ import annotations

import sys
from typing import Any

from relgen.common import counted, encode_json, print_json
from relgen.labelling import LEFT_OUT, reader_score
from relgen.labelling import SuggestOptions as Options


def run(options: Options) -> None:
    """Suggest, and print how many; without --out, the suggestions themselves."""
    from relgen.labelling import suggest

    summary = suggest(options)
    if options.out is None:
        for row in summary["rows"]:
            print_json(f"{encode_json(row)}\n")
    score = reader_score(summary["train_micro_f1"], options.train)
    said = f"{_errors(summary)}; {score}" if options.errors else _sentences(summary, score)
    target = f" -> {options.out}" if options.out else ""
    print(f"{said}{target}", file=sys.stdout if options.out else sys.stderr)


def _sentences(summary: dict[str, Any], score: str) -> str:
    left_out = {why: number for why, number in summary["left_out"].items() if why != "not_chosen"}
    sentences = counted(summary["read"], "sentence")
    reasons = ", ".join(f"{number} {LEFT_OUT[why]}" for why, number in left_out.items())
    return (
        f"{len(summary['rows'])} of {sentences} to label next"
        f"{f' (left out: {reasons})' if reasons else ''}; {score}; "
        "set their `relation`, add them to it, and suggest again"
    )


def _errors(summary: dict[str, Any]) -> str:
    shown, found, number = len(summary["rows"]), summary["found"], summary["not_judged"]
    suspicious = "the most suspicious" if shown == 1 else f"the {shown} most suspicious"
    most = f", {suspicious} shown" if shown < found else ""
    alone = f" ({number} could not be judged: no other sentence has their relation)"
    labels = counted(summary["read"], "label")
    return f"{found} of {labels} may be wrong{most}{alone if number else ''}"
