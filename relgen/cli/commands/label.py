"""`relgen label`: labels samples with a probe on a language model's hidden states."""

from __future__ import annotations

import sys

from relgen.common import upcast
from relgen.labelling import LEFT_OUT, LabelSettings
from relgen.labelling import LabelOptions as Options


def run(options: Options) -> None:
    """Label the samples, and print how many, which were left out, and how many labels agree."""
    from relgen.experiments import labelling_advice
    from relgen.labelling import label

    summary = label(
        upcast(LabelSettings, options),
        generated=options.samples,
        train=options.train,
        schema=options.schema,
        out=options.out,
        exclude=options.exclude,
        options=options,
    )
    for advice in labelling_advice([summary]):
        print(f"warning: {advice}", file=sys.stderr)
    score, agreed = summary["train_micro_f1"], ""
    known = "not known" if score is None else f"{100 * score:.1f}"
    if summary["given_micro_f1"] is not None:
        agreed = (
            f"; {summary['agreed']} labels agree with the relation asked for (micro-F1 "
            f"{100 * summary['given_micro_f1']:.1f})"
        )
    reasons = ", ".join(f"{number} {LEFT_OUT[why]}" for why, number in summary["left_out"].items())
    left_out = f" (left out: {reasons})" if reasons else ""
    print(
        f"{summary['samples']} samples labelled{left_out}{agreed}; cross-validated micro-F1 on "
        f"{options.train}: {known} -> {options.out}"
    )
