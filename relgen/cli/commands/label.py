"""`relgen label`: labels samples with a probe on a language model's hidden states."""

from __future__ import annotations

import sys

from relgen.common import counted, statement, upcast
from relgen.labelling import LEFT_OUT, LabelSettings, reader_score
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
    score, agreed = reader_score(summary["train_micro_f1"], options.train), ""
    if summary["given_micro_f1"] is not None:
        labels = statement(summary["agreed"], "label", "agree")
        f1 = f"micro-F1 {100 * summary['given_micro_f1']:.1f}"
        agreed = f"; {labels} with the relation asked for ({f1})"
    reasons = ", ".join(f"{number} {LEFT_OUT[why]}" for why, number in summary["left_out"].items())
    left_out = f" (left out: {reasons})" if reasons else ""
    labelled = counted(summary["samples"], "sample")
    print(f"{labelled} labelled{left_out}{agreed}; {score} -> {options.out}")
