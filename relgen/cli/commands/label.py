"""`relgen label`: labels generated samples by what a language model reads in them."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path

from relgen.common import POSITIONAL, refuse_inputs
from relgen.labelling import LabelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(LabelSettings):
    """Give each sample the probability of every relation.

    A regression over a language model's hidden states is fitted to the labelled samples.
    Classifiers train on these probabilities instead of the relation that was asked for.
    If it is stopped, run the same command again to continue.
    """

    samples: list[str] = field(metadata=POSITIONAL)
    """Files of samples, such as generated.jsonl."""
    train: str
    """File with labelled samples (samples.jsonl)."""
    schema: str
    """Schema file, or the name of a shipped schema."""
    out: str
    """File to write (labelled.jsonl)."""


def run(options: Options) -> None:
    """Label the samples, and print how many kept the relation they were written for."""
    from relgen.labelling import label

    summary_path = Path(options.out).with_suffix(".json")
    refuse_inputs([options.out, summary_path], [*options.samples, options.train, options.schema])
    names = [entry.name for entry in dataclasses.fields(LabelSettings)]
    summary = label(
        LabelSettings(**{name: getattr(options, name) for name in names}),
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
