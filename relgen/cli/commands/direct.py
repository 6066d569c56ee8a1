"""`relgen direct`: the language model as the classifier."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from relgen.evaluation import DirectSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(DirectSettings):
    """Ask a language model for the relation of each sentence (Direct-RE).

    It reads the relations with their explanations, a few labelled sentences and each test sentence,
    and names the relation. If it is stopped, run the same command again to continue.
    """

    train: str
    """File to show labelled samples from (samples.jsonl)."""
    test: str
    """File of samples to classify."""
    schema: str
    """Schema file, or the name of a shipped schema."""
    out: str
    """Folder to write."""
    force: bool = False
    """Replace the answers of other settings or inputs."""


def run(options: Options) -> None:
    """Ask, and print the score."""
    from relgen.evaluation import classify

    names = [entry.name for entry in dataclasses.fields(DirectSettings)]
    summary = classify(
        DirectSettings(**{name: getattr(options, name) for name in names}),
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
