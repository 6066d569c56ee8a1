"""relgen's classifier beside extractors that need no training: GLiNER-relex and GLiNER2.

    python -m benchmarks.zero_shot TEST.jsonl --classifier FOLDER \\
        --gliner knowledgator/gliner-relex-large-v1.0 --gliner2 fastino/gliner2.5-base-v1 \\
        --python ENVIRONMENT/bin/python

Extractors are named by Hub id or folder. They may have an environment of their own (`--python`; in
it `pip install gliner 'gliner2[local]'`). They are asked for the schema's positive relations: of a
relation with two directions, for the first. What they find between the two entities of a sentence,
or between entities that overlap these, is the answer, the most probable if there are several;
nothing found means that no relation holds. In the second row, relgen's classifier names the most
probable relation of every sentence, which tells what it gains by knowing where none holds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import zero_shot_sides
from benchmarks.harness import Row, environment, parser, report, run_main, save
from relgen.classifiers import load_classifier
from relgen.common import InputError
from relgen.data import RelationSchema, Sample, read_samples
from relgen.evaluation import score_labels

COLUMNS = ("", "none: precision", "none: recall", "precision", "recall", "F1", "ms a sentence")
_SIDES = str(Path(zero_shot_sides.__file__))


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    import torch

    args = arguments(argv)
    torch.set_num_threads(args.threads)
    samples = read_samples(args.test)
    classifier = load_classifier(args.classifier, device=args.device)
    schema = classifier.schema
    if schema.negative is None:
        problem, remedy = "the schema has no negative label", "compare a classifier that has one"
        raise InputError(problem, path=args.classifier, remedy=remedy)
    classifier.predict_samples(samples[: args.batch])  # warm
    began = time.perf_counter()
    found = classifier.predict_samples(samples)
    seconds = time.perf_counter() - began
    always = [max(schema.positive_labels, key=lambda label: one.scores[label]) for one in found]
    rows = [
        row("relgen", [one.relation for one in found], samples, schema, seconds),
        row("relgen, always a relation", always, samples, schema, seconds),
    ]
    for library in zero_shot_sides.LIBRARIES:
        if name := getattr(args, library):
            theirs = extracted(library, name, samples, schema, args)
            names = asked_for(schema)
            answers = [
                answer(facts, sample, names, schema)
                for facts, sample in zip(theirs["facts"], samples, strict=True)
            ]
            rows.append(row(name, answers, samples, schema, theirs["seconds"]))
    surroundings = environment(threads=args.threads, seed=args.seed)
    report(f"{len(samples)} sentences", COLUMNS, [list(one.values()) for one in rows], surroundings)
    save(args.json, {"rows": rows, "environment": surroundings})


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    made = parser(str(__doc__).splitlines()[0])
    made.add_argument("test", help="samples file")
    made.add_argument("--classifier", required=True, help="a trained classifier's folder")
    made.add_argument("--gliner", metavar="NAME", help="a GLiNER-relex model")
    made.add_argument("--gliner2", metavar="NAME", help="a GLiNER2 model")
    made.add_argument("--python", default=None, help="where they are installed (this one)")
    made.add_argument("--threshold", type=float, default=0.5, help="of their relations (0.5)")
    made.add_argument("--batch", type=int, default=8, help="their sentences at a time (8)")
    made.add_argument("--device", default="cpu", help="of relgen's classifier (cpu)")
    return made.parse_args(argv)


def asked_for(schema: RelationSchema) -> dict[str, str]:
    """Return the labels to ask for, by their names in words."""
    inverses, names = schema.inverses(), dict[str, str]()
    for label in schema.positive_labels:
        if inverses.get(label) not in names.values():
            words = schema[label].undirected or label if label in inverses else label
            names[words.replace("_", " ").replace("-", " ").lower()] = label
    return names


def extracted(
    library: str,
    model: str,
    samples: Sequence[Sample],
    schema: RelationSchema,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Return the facts that an extractor finds in each sentence, and its seconds.

    Raises:
        RuntimeError: the extractor failed; the message ends with what it printed last.
    """
    asked = {
        "library": library,
        "model": model,
        "texts": [sample.text for sample in samples],
        "pairs": [[(e.start, e.end) for e in (one.head, one.tail)] for one in samples],
        "relations": {n: schema[label].explanation for n, label in asked_for(schema).items()},
        "types": sorted(each.replace("_", " ").lower() for each in schema.types) or ["entity"],
        **{name: getattr(args, name) for name in ("threshold", "batch", "threads")},
    }
    command = [args.python or sys.executable, _SIDES]
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{library} failed:\n" + "\n".join(done.stderr.splitlines()[-12:]))
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def answer(
    facts: Sequence[Any], sample: Sample, names: dict[str, str], schema: RelationSchema
) -> str | None:
    """Return the label of a sample by the facts of its text, each [relation, head, tail, score]."""
    inverses, ends = schema.inverses(), (sample.head, sample.tail)

    def between(places: Sequence[Sequence[int]]) -> bool:
        return all(s < e.end and e.start < t for (s, t), e in zip(places, ends, strict=True))

    found = []
    for relation, head, tail, score in facts:
        label = names[relation]
        if between((head, tail)):
            found.append((score, label))
        elif label in inverses and between((tail, head)):
            found.append((score, inverses[label]))
    return max(found)[1] if found else schema.negative


def row(
    name: str,
    answers: Sequence[str | None],
    samples: Sequence[Sample],
    schema: RelationSchema,
    seconds: float,
) -> Row:
    """Return the figures of one side, scores in percent."""
    scores = score_labels(answers, [sample.relation for sample in samples], schema)
    none = scores.per_relation[str(schema.negative)]
    return {
        "name": name,
        "none_precision": 100 * none.precision,
        "none_recall": 100 * none.recall,
        "precision": 100 * scores.precision,
        "recall": 100 * scores.recall,
        "f1": 100 * scores.micro_f1,
        "ms": 1000 * seconds / len(samples),
    }


if __name__ == "__main__":
    run_main(main)
