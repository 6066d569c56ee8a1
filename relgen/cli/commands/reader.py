"""`relgen reader`: classifies sentences with a probe on a language model's hidden states."""

from __future__ import annotations

from relgen.common import counted
from relgen.labelling import ReaderOptions as Options


def run(options: Options) -> None:
    """Classify the test sentences, and print the score."""
    from relgen.classifiers import classify_by_reading

    summary = classify_by_reading(options)
    print(
        f"{counted(summary['samples'], 'sentence')}: micro-F1 {100 * summary['micro_f1']:.1f} -> "
        f"{options.out}"
    )
