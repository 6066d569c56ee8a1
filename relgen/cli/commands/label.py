"""`relgen label`: labels generated samples with a probe on a language model's hidden states."""

from __future__ import annotations

import sys

from relgen.common import upcast
from relgen.labelling import LabelOptions as Options
from relgen.labelling import LabelSettings


def run(options: Options) -> None:
    """Label the samples, and print how many kept the relation they were written for."""
    from relgen.labelling import label

    summary = label(
        upcast(LabelSettings, options),
        generated=options.samples,
        train=options.train,
        schema=options.schema,
        out=options.out,
    )
    for relation, counts in summary["relations"].items():
        if counts["intended"] and not counts["labelled"]:
            print(
                f"warning: none of the {counts['intended']} samples written for {relation} was "
                "labelled with it",
                file=sys.stderr,
            )
    score = summary["train_micro_f1"]
    known = "not known" if score is None else f"{100 * score:.1f}"
    left_out = f" ({summary['uncertain']} left out)" if summary["uncertain"] else ""
    print(
        f"{summary['samples']} samples labelled{left_out}; {summary['agreed']} labels agree with "
        f"the relation asked for (micro-F1 {100 * summary['given_micro_f1']:.1f}); cross-validated "
        f"micro-F1 on {options.train}: {known} -> {options.out}"
    )
