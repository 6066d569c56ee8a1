"""Operations of `benchmarks.scale` on what relgen makes: gates, probe, classifier, report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.scale_data import labels, relation_schema, sentences

if TYPE_CHECKING:
    from benchmarks.scale_sides import Clock, Input

_SHOTS = 8
_STATE = (4, 1, 64)  # slots, layers, width: a small model's
_MODEL = "all-minilm-l6-v2"


def gates(clock: Clock, given: Input, folder: Path) -> Callable[[], dict[str, int]]:
    """Judge drafts as `relgen generate` does, three demonstrations each; count the outcomes."""
    from collections import Counter

    from benchmarks.scale_data import held_out_sentences
    from relgen.data import render
    from relgen.generation import GenerationSettings
    from relgen.generation.acceptance import CHECKS, DraftContext, KnownTexts, judge

    schema = relation_schema(given.relations)
    shots = list(sentences(3, given.seed + 1, given.relations))
    pool = KnownTexts(GenerationSettings(max_words=60), shots, held_out_sentences(given.seed))
    contexts = {r.name: DraftContext(r, shots, pool) for r in schema.relations}

    def work() -> dict[str, int]:
        found: Counter[str] = Counter()
        drafts = ((s.relation, render(s)) for s in given.sentences())
        for relation, draft in clock.outside(drafts):
            outcome = judge(draft, "stop", contexts[relation], CHECKS)
            found[outcome if isinstance(outcome, str) else "accepted"] += 1
            if not isinstance(outcome, str):
                pool.add(outcome)
        return dict(found.most_common())

    return work


def probe(clock: Clock, given: Input, folder: Path) -> Callable[[], float]:
    """Fit the probe of `relgen label` to eight random states a relation, and apply it."""
    import torch

    from relgen.labelling import fit_probe

    torch.manual_seed(given.seed)
    fitted_to = torch.randn(_SHOTS * given.relations, *_STATE)
    numbers = torch.arange(given.relations).repeat(_SHOTS)
    states = torch.randn(given.size, *_STATE)

    def work() -> float:
        inverses = [None] * given.relations
        fitted = fit_probe(fitted_to, numbers, inverses=inverses, penalty=0.01)
        parts = [fitted.probabilities(part).max(dim=-1).values.sum() for part in states.split(256)]
        return float(torch.stack(parts).sum()) / given.size

    return work


def predict(clock: Clock, given: Input, folder: Path) -> Callable[[], int]:
    """Predict with an untrained MiniLM with entity markers, 1,000 sentences at a time."""
    from itertools import islice

    from relgen.classifiers import EntityMarkerClassifier, NetworkClassifier

    classifier = NetworkClassifier(EntityMarkerClassifier(relation_schema(given.relations), _MODEL))

    def work() -> int:
        made = clock.outside(given.sentences())
        parts = iter(lambda: list(islice(made, 1_000)), [])
        return sum(len(classifier.predict_samples(part)) for part in parts)

    return work


def report(clock: Clock, given: Input, folder: Path) -> Callable[[], int]:
    """Write the report of a run of two arms; return its size in kB."""
    from relgen.common import write_json
    from relgen.data import write_samples
    from relgen.evaluation import score_labels
    from relgen.reporting import write_report

    schema = relation_schema(given.relations)
    truth = [sample.relation for sample in given.sentences()]
    scores = asdict(score_labels(truth[1:] + truth[:1], truth, schema))
    write_json(folder / "scores.json", scores)
    shots = sentences(_SHOTS * given.relations, given.seed + 1, given.relations)
    write_samples(folder / "train.jsonl", shots)
    write_samples(folder / "generated.jsonl", given.sentences())
    arms = [{"arm": arm, "seed": 1, "classifier": "entity_marker"} for arm in ("human", "obo_mix")]
    figures = {name: scores[name] for name in ("micro_f1", "macro_f1", "precision", "recall")}
    files = {"scores": ["scores.json"], "human": "train.jsonl", "generated": ["generated.jsonl"]}
    write_json(
        folder / "results.json",
        {"experiment": "scale", "shots": _SHOTS, "arms": [arm | figures for arm in arms]},
    )
    write_json(
        folder / "report_data.json",
        {"arms": [arm | files for arm in arms], "labels": labels(given.relations)},
    )

    def work() -> int:
        return sum(path.stat().st_size for path in write_report(folder)) // 1_000

    return work
