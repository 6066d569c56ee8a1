"""`relgen direct`: the language model as the classifier."""

from __future__ import annotations

from relgen.common import upcast
from relgen.evaluation import DirectOptions as Options
from relgen.evaluation import DirectSettings


def run(options: Options) -> None:
    """Ask, and print the score."""
    from relgen.evaluation import classify

    summary = classify(
        upcast(DirectSettings, options),
        train=options.train,
        test=options.test,
        schema=options.schema,
        out=options.out,
        force=options.force,
    )
    lost = summary["unparseable"]
    wrong = f", {lost} answers name no relation" if lost else ""
    print(
        f"{summary['samples']} sentences: micro-F1 {100 * summary['micro_f1']:.1f}{wrong} "
        f"-> {options.out}"
    )
