"""K-shot splits: K training samples per relation, drawn by seed, and the rest for development.

The draw for a relation depends only on its own samples and the seed, not on the file's order or the
other relations. The first 8 samples of a draw of 16 are the draw of 8.

A sample is a pair of entities in a sentence: K counts pairs, and a sentence may have several. Parts
share no sentence, nor, with `by="group"`, a group (a document, a patient).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from relgen.common import InputError, PositiveInt, checked
from relgen.data.overlap import NEAR_COPY, OverlapIndex, context_words
from relgen.data.samples import Sample
from relgen.data.schema import RelationSchema
from relgen.data.text import normalised

Dev = Literal["full", "K", "none"]
By = Literal["sentence", "group"]


@dataclass(frozen=True)
class FewShotSplit:
    """Training and development samples, which share no id, normalised text or (if asked) group.

    Warnings name, for instance, relations with fewer than K samples.
    """

    train: list[Sample]
    dev: list[Sample]
    warnings: list[str] = field(default_factory=list)


def hold_out(
    samples: Sequence[Sample], share: float, *, by: By = "sentence"
) -> tuple[list[Sample], list[Sample], list[str]]:
    """Return the samples to draw from, those to test on (about a share of each relation), warnings.

    Sentences (or groups) are drawn whole, always the same ones. What other groups share with the
    test set, such as a standing phrase, is left out of the samples to draw from, with a warning.
    """
    _check_groups(samples, by)
    units: dict[str | None, list[Sample]] = {}
    for sample in sorted(samples, key=lambda one: one.id):
        units.setdefault(sample.group if by == "group" else normalised(sample.text), []).append(
            sample
        )
    names = sorted(units, key=str)
    random.Random("test").shuffle(names)
    every, held, chosen = Counter(s.relation for s in samples), Counter[str](), set[str]()
    for name in names:
        found = Counter(sample.relation for sample in units[name])
        rarest = min(found, key=lambda label: (every[label], label))
        if held[rarest] + found[rarest] / 2 <= share * every[rarest]:
            held += found
            chosen.update(sample.id for sample in units[name])
    test = [sample for sample in samples if sample.id in chosen]
    rest = _without(
        [sample for sample in samples if sample.id not in chosen], _Shared.of(test, "sentence")
    )
    warnings = rest.reasons("{} samples left out of the pool: {} among the held out samples")
    return rest.kept, test, warnings


def split(
    samples: Sequence[Sample],
    schema: RelationSchema | None = None,
    *,
    shots: PositiveInt,
    seed: int,
    dev: Dev = "full",
    dev_samples: Sequence[Sample] | None = None,
    exclude: Iterable[Sample] = (),
    by: By = "sentence",
) -> FewShotSplit:
    """Draw at most K samples (`shots`) for each relation.

    Args:
        samples: the labelled pool.
        schema: gives the order of relations, and must contain every label.
        dev: `full`: all other samples; `K`: K others for each relation; `none`.
        dev_samples: source of the development set, by default the rest of `samples`.
        exclude: samples (of a test set) whose ids and normalised texts no drawn sample may have,
            and of which no training sample may be a near copy.
        by: what the parts do not share: sentences, or the samples' groups as well.

    Raises:
        InputError: K is below 1 or above the size of the largest relation, or a label is unknown.
    """
    shots = checked(PositiveInt, shots, "shots")
    exclude = list(exclude)
    _check_groups(samples, by)
    excluded = _Shared.of(exclude, by)
    usable = _without(samples, excluded)
    # excluded sentences are drawn and then skipped: without them, the others keep their order
    drawn = [sample for sample in samples if sample.id not in excluded.ids]
    pools = _pools(drawn, schema, seed, excluded)
    _check_shots(shots, usable, pools)
    copies = OverlapIndex(NEAR_COPY, map(context_words, exclude))
    train, warnings = _first(pools, shots, "training", copies)
    warnings += _left_out(usable, pools)
    shared = _Shared.of(train, by)
    if dev == "none":
        return FewShotSplit(train, [], warnings)
    if dev_samples is None:
        rest = _without([s for s in usable.kept if s.id not in shared.ids], shared)
    else:
        free = _without(dev_samples, excluded)
        warnings += free.reasons("{} development samples left out: {} among the excluded samples")
        rest = _without(free.kept, shared)
    warnings += rest.reasons("{} development samples left out: {} in the training set already")
    chosen = rest.kept
    if schema is not None:
        for sample in chosen:
            schema.check_label(sample.relation)
    chosen.sort(key=lambda sample: sample.id)
    if dev == "K":
        others = _pools(chosen, schema, seed, _Shared(), labels=pools)
        chosen, fewer = _first(others, shots, "development")
        warnings += fewer
    if not chosen:
        warnings.append("no sample is left for the development set")
    return FewShotSplit(train, chosen, warnings)


@dataclass(frozen=True)
class _Shared:
    """The ids, texts and groups of one part, which no other part may have."""

    ids: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    groups: frozenset[str | None] = frozenset()

    @classmethod
    def of(cls, samples: Iterable[Sample], by: By) -> _Shared:
        found = [(s.id, normalised(s.text), s.group) for s in samples]
        groups = [group for _, _, group in found if group is not None and by == "group"]
        return cls(
            frozenset(key for key, _, _ in found),
            frozenset(text for _, text, _ in found),
            frozenset(groups),
        )

    def reason(self, sample: Sample) -> str | None:
        """Return why a sample may not be in another part."""
        if sample.id in self.ids:
            return "their ids are"
        if self.texts and normalised(sample.text) in self.texts:
            return "their sentences are"
        return "their groups are" if sample.group in self.groups else None


@dataclass(frozen=True)
class _Rest:
    """The samples that are left, and how many were left out for each reason."""

    kept: list[Sample]
    left_out: Counter[str]

    def reasons(self, form: str) -> list[str]:
        return [form.format(number, cause) for cause, number in sorted(self.left_out.items())]


def _without(samples: Sequence[Sample], shared: _Shared) -> _Rest:
    reasons = [shared.reason(sample) for sample in samples]
    kept = [sample for sample, why in zip(samples, reasons, strict=True) if why is None]
    return _Rest(kept, Counter(why for why in reasons if why is not None))


def _left_out(usable: _Rest, pools: Mapping[str, Sequence[Sample]]) -> list[str]:
    """Return what is said of samples that no training set can have."""
    said = usable.reasons("{} samples left out: {} among the excluded samples")
    if repeated := len(usable.kept) - sum(map(len, pools.values())):
        said.append(f"{repeated} samples repeat a pair of a sentence: it counts once a relation")
    return said


def _check_groups(samples: Sequence[Sample], by: By) -> None:
    alone = next((sample for sample in samples if sample.group is None), None)
    if by == "group" and alone is not None:
        remedy = "give each sample a `group` (--columns group=…), or split by sentence"
        raise InputError("a sample without a group", field="by", value=alone.id, remedy=remedy)


def _check_shots(shots: int, usable: _Rest, pools: Mapping[str, Sequence[Sample]]) -> None:
    """Raise InputError if no sample is left, or no relation has so many different pairs."""
    if usable.left_out and not usable.kept:
        why = ", ".join(usable.reasons("{} because {} among the excluded"))
        remedy = "exclude other samples than those to draw from"
        raise InputError(f"all samples are left out: {why}", field="exclude", remedy=remedy)
    largest = max((len(pool) for pool in pools.values()), default=0)
    if shots <= largest:
        return
    problem = f"too many: the largest relation has {largest} usable samples"
    remedy = f"choose at most {largest}, or give more samples"
    label, number = next(iter(Counter(s.relation for s in usable.kept).most_common(1)), ("", 0))
    if number > (different := len(pools.get(label, ()))):
        pairs = "pair" if different == 1 else "pairs"
        problem += (
            f" ({label} has {number} samples of {different} {pairs}: a pair of a sentence counts "
            "once for a relation)"
        )
        remedy = f"choose at most {largest}, or give samples of other pairs"
    raise InputError(problem, field="shots", value=shots, remedy=remedy)


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
    forbidden: _Shared,
    labels: Iterable[str] = (),
) -> dict[str, list[Sample]]:
    """Return the samples of each relation in drawn order, without repeated or forbidden ones."""
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
        pools[label] = [s for s in _distinct(members) if forbidden.reason(s) is None]
    return pools


def _distinct(samples: Sequence[Sample]) -> Iterator[Sample]:
    """Yield the samples without further ones of the same pair of the same sentence."""
    texts = [(normalised(sample.text), sample) for sample in samples]
    times, seen = Counter(text for text, _ in texts), set[tuple[str, ...]]()
    for text, sample in texts:
        places = [place for e in (sample.head, sample.tail) for place in (e.start, e.end)]
        # by its words, since a repeated sentence may be spaced or punctuated otherwise
        pair = [normalised(sample.text[:place]) for place in places] if times[text] > 1 else []
        if (key := (text, *pair)) not in seen:
            seen.add(key)
            yield sample
