"""K-shot splits: K training samples per relation, drawn by seed, and the rest for development.

The draw for a relation depends only on its own samples and the seed, not on the file's order or the
other relations. The first 8 samples of a draw of 16 are the draw of 8.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from relgen.common import InputError, PositiveInt, checked
from relgen.data.overlap import NEAR_COPY, OverlapIndex, context_words
from relgen.data.samples import Sample
from relgen.data.schema import RelationSchema
from relgen.data.text import normalised

Dev = Literal["full", "K", "none"]


@dataclass(frozen=True)
class FewShotSplit:
    """Training and development samples, which share neither an id nor a normalised text.

    Warnings name, for instance, relations with fewer than K samples.
    """

    train: list[Sample]
    dev: list[Sample]
    warnings: list[str] = field(default_factory=list)


def split(
    samples: Sequence[Sample],
    schema: RelationSchema | None = None,
    *,
    shots: PositiveInt,
    seed: int,
    dev: Dev = "full",
    dev_samples: Sequence[Sample] | None = None,
    exclude: Iterable[Sample] = (),
) -> FewShotSplit:
    """Draw at most K samples (`shots`) for each relation.

    Args:
        samples: the labelled pool.
        schema: gives the order of relations, and must contain every label.
        dev: `full`: all other samples; `K`: K others for each relation; `none`.
        dev_samples: source of the development set, by default the rest of `samples`.
        exclude: samples (of a test set) whose ids and normalised texts no drawn sample may have,
            and of which no training sample may be a near copy.

    Raises:
        InputError: K is below 1 or above the size of the largest relation, or a label is unknown.
    """
    shots = checked(PositiveInt, shots, "shots")
    exclude = list(exclude)
    ids, texts = _ids_and_texts(exclude)
    usable = _without(samples, ids, texts)
    # excluded sentences are drawn and then skipped: without them, the others keep their order
    drawn = [sample for sample in samples if sample.id not in ids]
    pools = _pools(drawn, schema, seed, texts)
    if samples and not usable.kept:
        why = ", ".join(usable.reasons("{} because {} among the excluded"))
        remedy = "exclude other samples than those to draw from"
        raise InputError(f"all samples are left out: {why}", field="exclude", remedy=remedy)
    _check_shots(shots, usable.kept, pools)
    copies = OverlapIndex(NEAR_COPY, map(context_words, exclude))
    train, warnings = _first(pools, shots, "training", copies)
    warnings += usable.reasons("{} samples left out: {} among the excluded samples")
    if dev == "none":
        return FewShotSplit(train, [], warnings)
    train_ids, train_texts = _ids_and_texts(train)
    if dev_samples is None:
        rest = _without([s for s in usable.kept if s.id not in train_ids], set(), train_texts)
    else:
        free = _without(dev_samples, ids, texts)
        warnings += free.reasons("{} development samples left out: {} among the excluded samples")
        rest = _without(free.kept, train_ids, train_texts)
    warnings += rest.reasons("{} development samples left out: {} in the training set already")
    chosen = rest.kept
    if schema is not None:
        for sample in chosen:
            schema.check_label(sample.relation)
    chosen.sort(key=lambda sample: sample.id)
    if dev == "K":
        others = _pools(chosen, schema, seed, set(), labels=pools)
        chosen, fewer = _first(others, shots, "development")
        warnings += fewer
    if not chosen:
        warnings.append("no sample is left for the development set")
    return FewShotSplit(train, chosen, warnings)


@dataclass(frozen=True)
class _Rest:
    """The samples that are left, and how many were left out for their id and for their text."""

    kept: list[Sample]
    ids: int
    texts: int

    def reasons(self, form: str) -> list[str]:
        causes = {"their ids are": self.ids, "their sentences are": self.texts}
        return [form.format(number, cause) for cause, number in causes.items() if number]


def _without(samples: Sequence[Sample], ids: set[str], texts: set[str]) -> _Rest:
    others = [sample for sample in samples if sample.id not in ids]
    kept = [s for s in others if normalised(s.text) not in texts] if texts else others
    return _Rest(kept, len(samples) - len(others), len(others) - len(kept))


def _check_shots(
    shots: int, usable: Sequence[Sample], pools: Mapping[str, Sequence[Sample]]
) -> None:
    """Raise InputError if no relation has so many different sentences."""
    largest = max((len(pool) for pool in pools.values()), default=0)
    if shots <= largest:
        return
    problem = f"too many: the largest relation has {largest} usable samples"
    remedy = f"choose at most {largest}, or give more samples"
    label, number = next(iter(Counter(s.relation for s in usable).most_common(1)), ("", 0))
    if number > (different := len(pools.get(label, ()))):
        sentences = "sentence" if different == 1 else "sentences"
        problem += (
            f" ({label} has {number} samples of {different} {sentences}: a sentence counts once "
            "for a relation)"
        )
        remedy = f"choose at most {largest}, or give samples of other sentences"
    raise InputError(problem, field="shots", value=shots, remedy=remedy)


def _ids_and_texts(samples: Iterable[Sample]) -> tuple[set[str], set[str]]:
    pairs = [(sample.id, normalised(sample.text)) for sample in samples]
    return {key for key, _ in pairs}, {text for _, text in pairs}


def _first(
    pools: dict[str, list[Sample]], shots: int, part: str, excluded: OverlapIndex | None = None
) -> tuple[list[Sample], list[str]]:
    """Return the first K samples of each relation, and a warning for each that has fewer.

    Near copies of excluded samples are passed over, and counted in a warning.
    """
    chosen, warnings, near = list[Sample](), list[str](), 0
    for label, pool in pools.items():
        number = 0
        for sample in pool:
            if number == shots:
                break
            if excluded is not None and excluded.has_near(context_words(sample)):
                near += 1
                continue
            chosen.append(sample)
            number += 1
        if number < shots:
            warnings.append(f"{label}: only {number} of {shots} {part} samples")
    if near:
        warnings.append(f"{near} samples passed over: they nearly repeat excluded samples")
    if near and not chosen:
        raise InputError(
            "all samples nearly repeat excluded ones",
            field="exclude",
            value=f"{near} near copies",
            remedy="give samples of other sentences, or exclude nothing",
        )
    return chosen, warnings


def _pools(
    samples: Iterable[Sample],
    schema: RelationSchema | None,
    seed: int,
    forbidden: set[str],
    labels: Iterable[str] = (),
) -> dict[str, list[Sample]]:
    """Return the samples of each relation in drawn order, without repeated or forbidden texts."""
    found: dict[str, list[Sample]] = {label: [] for label in labels}
    for sample in samples:
        if schema is not None:
            schema.check_label(sample.relation)
        found.setdefault(sample.relation, []).append(sample)
    pools = {}
    for label in sorted(found) if schema is None else schema.labels:
        # one generator per relation: a draw does not change when another relation grows
        members = sorted(found.get(label, []), key=lambda sample: sample.id)
        random.Random(f"fewshot/{seed}/{label}").shuffle(members)
        distinct: dict[str, Sample] = {}
        for sample in members:
            distinct.setdefault(normalised(sample.text), sample)
        pools[label] = [sample for text, sample in distinct.items() if text not in forbidden]
    return pools
