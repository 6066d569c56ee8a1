"""`relgen direct`: classifies sentences with a language model."""

from __future__ import annotations

from relgen.evaluation import DirectOptions as Options


def run(options: Options) -> None:
    """Classify the test sentences, and print the score."""
    from relgen.evaluation import classify

    summary = classify(options)
    lost = summary["unparseable"]
    wrong = f", {lost} answers name no relation" if lost else ""
    print(
        f"{summary['samples']} sentences: micro-F1 {100 * summary['micro_f1']:.1f}{wrong} "
        f"-> {options.out}"
    )
