"""`relgen direct`: classifies sentences with a language model."""

from __future__ import annotations

from relgen.common import counted, statement
from relgen.evaluation import DirectOptions as Options


def run(options: Options) -> None:
    """Classify the test sentences, and print the score."""
    from relgen.evaluation import classify

    summary = classify(options)
    lost = summary["unparseable"]
    wrong = f", {statement(lost, 'answer', 'name')} no relation" if lost else ""
    print(
        f"{counted(summary['samples'], 'sentence')}: micro-F1 {100 * summary['micro_f1']:.1f}"
        f"{wrong} -> {options.out}"
    )
