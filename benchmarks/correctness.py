"""Measures how often generated samples express their relation, judged by a trained classifier.

    relgen classifier fit -c classifier/entity_marker --data.schema semeval \
        --data.human all_train.jsonl --trainer.max_steps 2400 --out runs/judge
    python -m benchmarks.correctness --judge runs/judge/model \\
        runs/effect/stages/seed*/label-*/labelled.jsonl

The judge only observes: no sample is selected by it. An error is one of direction if the judge sees
the inverse, one of `Other` if either side says that no relation holds, and one of type otherwise.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import relgen
from benchmarks import harness
from benchmarks.harness import Row
from relgen.classifiers import SavedClassifier
from relgen.common import InputError
from relgen.data import RelationSchema, Sample, read_samples

Verdict = Literal["agrees", "type", "direction", "other"]
VERDICTS: tuple[Verdict, ...] = ("agrees", "type", "direction", "other")


def main(argv: Sequence[str] | None = None) -> None:
    """Print a row for each samples file."""
    parser = argparse.ArgumentParser(description="Judge generated samples by a trained classifier.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="samples files")
    parser.add_argument("--judge", required=True, metavar="DIR", help="a trained classifier")
    parser.add_argument("--json", metavar="OUT", help="write the figures to a file")
    args = parser.parse_args(argv)
    judge = relgen.load_classifier(args.judge)
    content = {file: assess(judge, read_samples(file, schema=judge.schema)) for file in args.files}
    harness.save(args.json, content)
    columns = ["file", "samples", "label, %", *(f"{v}, %" for v in VERDICTS[1:]), "intended, %"]
    rows = []
    for file, row in content.items():
        shares = [
            None if row[name] is None else 100 * row[name] for name in (*VERDICTS, "intended")
        ]
        rows.append([str(Path(file)), row["samples"], *shares])
    harness.report(
        f"Samples judged by {args.judge}",
        columns,
        rows,
        {},
        notes=[
            "label: the judge finds the sample's relation; type, direction, other: its errors; "
            "intended: the judge finds what a relabelled sample was written for"
        ],
    )


def assess(judge: SavedClassifier, samples: Sequence[Sample]) -> Row:
    """Return shares of a file's samples, from 0 to 1.

    Returns:
        `samples`, the four verdicts, and `intended`: the share that the judge gives the relation
        that they were written for (None without a relabelled sample).
    """
    found = [said.relation for said in judge.predict_samples(samples)]
    verdicts = Counter(
        verdict(sample.relation, relation, judge.schema)
        for sample, relation in zip(samples, found, strict=True)
    )
    intended = [
        (sample.provenance or {}).get("intended") == relation
        for sample, relation in zip(samples, found, strict=True)
        if (sample.provenance or {}).get("intended")
    ]
    row: Row = {"samples": len(samples)}
    row |= {name: verdicts[name] / len(samples) for name in VERDICTS}
    return row | {"intended": sum(intended) / len(intended) if intended else None}


def verdict(label: str, found: str, schema: RelationSchema) -> Verdict:
    """Compare a sample's label with the relation that the judge found.

    Raises:
        InputError: the schema does not know one of them.
    """
    for name in (label, found):
        if name not in schema.labels:
            raise InputError("no such relation", field="relation", value=name)
    if label == found:
        return "agrees"
    if schema.negative in (label, found):
        return "other"
    return "direction" if schema[label].group == schema[found].group else "type"


if __name__ == "__main__":
    main()
