"""`relgen predict`: predicts relations with a trained classifier."""

from __future__ import annotations

import sys

from relgen.common import counted
from relgen.prediction import PredictOptions as Options


def run(options: Options) -> None:
    """Predict, and print how many pairs have a relation."""
    from relgen.prediction import predict

    summary = predict(options)
    if unknown := summary["unknown_types"]:
        named = ", ".join(f"{kind} ({count})" for kind, count in sorted(unknown.items()))
        print(
            f"warning: the schema does not name these types of entities: {named}; rename them with "
            f"--types {next(iter(unknown))}=…",
            file=sys.stderr,
        )
    if options.entities and not summary["pairs"]:
        problem = "no entities were found"
        if found := summary["entities"]:
            problem = "was found" if found == 1 else "were found"
            problem = f"{counted(found, 'entity', 'entities')} {problem}, but no two in a sentence "
            problem += "whose types some relation allows"
        print(f"warning: {problem}", file=sys.stderr)
    if skipped := summary["skipped"]:
        print(f"{counted(skipped, 'malformed record')} left out", file=sys.stderr)
    shown = ", ".join(
        f"{count} {relation or 'without an answer'}"
        for relation, count in sorted(summary["relations"].items(), key=lambda each: -each[1])
    )
    if turned := summary["reversed"]:
        shown += f"; {turned} more left out, whose relation holds in the other direction"
    target = f" -> {options.out}" if options.out else ""
    print(
        f"{counted(summary['pairs'], 'pair')}: {shown or 'none'}{target}",
        file=sys.stdout if options.out else sys.stderr,
    )
