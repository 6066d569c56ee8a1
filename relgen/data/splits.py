"""K-shot splits: K training samples per relation, drawn by seed, and the rest for development.

The draw for a relation depends only on its own samples and the seed, not on the file's order or the
other relations. The first 8 samples of a draw of 16 are the draw of 8.

A sample is a pair of entities in a sentence: K counts pairs, and a sentence may have several. Parts
share no sentence (see `shared_sentences`), nor, with `by="group"`, a group (a document, a patient).
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from relgen.common import InputError, PositiveInt, checked, counted, statement
from relgen.data.language import several_languages
from relgen.data.overlap import NEAR_COPY, OverlapIndex, context_words
from relgen.data.pools import Pool
from relgen.data.samples import Sample
from relgen.data.schema import RelationSchema
from relgen.data.shared_sentences import SharedSentences, joined_rows
from relgen.data.text import normalised

Dev = Literal["full", "K", "none"]
By = Literal["sentence", "group"]

_DEV = "development sample"


@dataclass(frozen=True)
class FewShotSplit:
    """Training and development samples, which share no id, sentence or (if asked) group.

    No development sample is a near copy of a training sample.

    Warnings name, for instance, relations with fewer than K samples.
    """

    train: list[Sample]
    dev: Sequence[Sample]
    warnings: list[str] = field(default_factory=list)


def hold_out(
    samples: Iterable[Sample], share: float, *, by: By = "sentence"
) -> tuple[Pool, Pool, list[str]]:
    """Return the samples to draw from, those to test on (about a share of each relation), warnings.

    Sentences (or groups) are drawn whole, always the same ones. A relation of two of them or more
    has one at least in either part. What other groups share with the test set, such as a standing
    phrase, is left out of the samples to draw from, with a warning.
    """
    pool = Pool.of(samples)
    _check_groups(pool, by)
    names_of = _sentence_names(pool) if by == "sentence" else []
    units: dict[str | None, list[int]] = {}
    for place in sorted(range(len(pool)), key=pool.ids.__getitem__):
        unit = pool.groups[place] if by == "group" else names_of[place]
        units.setdefault(unit, []).append(place)
    names = sorted(units, key=str)
    random.Random("test").shuffle(names)
    found = [Counter(pool.relations[place] for place in units[name]) for name in names]
    chosen = {place for unit in _held_out(found, share) for place in units[names[unit]]}
    test = pool.subset(sorted(chosen))
    others = [place for place in range(len(pool)) if place not in chosen]
    rest = _without(pool, others, _Shared.of(test, "sentence"))
    kept = pool.subset(rest.kept)
    warnings = rest.reasons("{} left out of the pool: {} among the held out samples")
    warnings += _lacking(test, pool, f"test set: too few {by}s have it to spare one")
    return kept, test, [*warnings, *_lacking(kept, pool, "pool")]


def _sentence_names(pool: Pool) -> list[str]:
    """Return for each sample the words that name all those that it shares a sentence with."""
    words = [normalised(sample.text) for sample in pool]
    units, names = joined_rows([pool.sentences(place) for place in range(len(pool))]), list(words)
    for unit, own in zip(units, words, strict=True):
        names[unit] = min(names[unit], own)
    return [names[unit] for unit in units]


def _held_out(units: Sequence[Counter[str]], share: float) -> set[int]:
    """Return which units to hold out, given their numbers of samples of each relation.

    The rarest relations choose first, as in iterative stratification (Sechidis, Tsoumakas and
    Vlahavas 2011): what brings the shares held out nearer to `share` over all relations is chosen.
    """
    every = sum(units, Counter[str]())
    having = {label: [n for n, unit in enumerate(units) if label in unit] for label in every}
    left = Counter({label: len(members) for label, members in having.items()})
    held, chosen = Counter[str](), set[int]()

    def change(unit: int) -> float:
        """Return by how much the distance of all shares from `share` grows."""
        return sum(
            abs((held[label] + number) / every[label] - share)
            - abs(held[label] / every[label] - share)
            for label, number in units[unit].items()
        )

    def free(label: str) -> Iterator[int]:
        """Yield the relation's units that may be chosen: no relation's last one is."""
        for unit in having[label]:
            if unit not in chosen and all(left[one] > 1 for one in units[unit]):
                yield unit

    def choose(unit: int) -> None:
        chosen.add(unit)
        held.update(units[unit])
        left.subtract(units[unit].keys())

    for label in sorted(having, key=lambda label: (len(having[label]), label)):
        if not held[label] and (nearest := min(free(label), key=change, default=None)) is not None:
            choose(nearest)
        for unit in free(label):
            if change(unit) < 0:
                choose(unit)
    return chosen


def _lacking(part: Pool, whole: Pool, name: str) -> list[str]:
    """Return a warning that names the relations which a part of a whole lacks, if any."""
    lacking = sorted(set(whole.relations) - set(part.relations))
    return [f"no sample of {', '.join(lacking)} in the {name}"] if lacking else []


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
        exclude: samples (of a test set) whose ids and sentences no drawn sample may have,
            and of which no training sample may be a near copy.
        by: what the parts do not share: sentences, or the samples' groups as well.

    Raises:
        InputError: K is below 1 or above the size of the largest relation, or a label is unknown.
    """
    shots = checked(PositiveInt, shots, "shots")
    pool, kept_out = Pool.of(samples), Pool.of(exclude)
    source = pool if dev_samples is None else Pool.of(dev_samples)
    for part in (pool, kept_out, source):
        _check_groups(part, by)
    excluded = _Shared.of(kept_out, by)
    usable = _without(pool, range(len(pool)), excluded)
    # excluded sentences are drawn and then skipped: without them, the others keep their order
    free = (place for place, name in enumerate(pool.ids) if name not in excluded.ids)
    draws = _draws(pool, free, schema, seed, excluded)
    _check_shots(shots, pool, usable, draws)
    copies = OverlapIndex(NEAR_COPY, map(context_words, kept_out))
    places, warnings = _first(pool, draws, shots, "training", copies)
    train = pool.subset(places)
    warnings += _left_out(usable, draws)
    if dev == "none":
        return FewShotSplit(list(train), [], warnings)
    chosen, more = _development(source, usable.kept, train, excluded, by, own=source is pool)
    warnings += more
    if schema is not None:
        for place in chosen:
            schema.check_label(source.relations[place])
    chosen.sort(key=source.ids.__getitem__)
    if dev == "K":
        others = _draws(source, chosen, schema, seed, _Shared(), labels=draws)
        chosen, fewer = _first(source, others, shots, "development")
        warnings += fewer
    rest = source.subset(chosen)
    if not chosen:
        warnings.append("no sample is left for the development set")
    elif dev == "full":
        warnings += _lacking(rest, train, "development set")
    if languages := several_languages(train, rest):
        warnings.append(f"the sentences are in several languages: {languages}")
    return FewShotSplit(list(train), rest if isinstance(samples, Pool) else list(rest), warnings)


def _development(
    source: Pool, usable: Sequence[int], train: Pool, excluded: _Shared, by: By, *, own: bool
) -> tuple[list[int], list[str]]:
    """Return what may be developed on, and why the rest may not; the training set's `own` pool."""
    shared, warnings = _Shared.of(train, by), list[str]()
    if own:
        usable = array("q", (p for p in usable if source.ids[p] not in shared.ids))
    else:
        free = _without(source, range(len(source)), excluded)
        warnings += free.reasons("{} left out: {} among the excluded samples", _DEV)
        usable = free.kept
    rest = _without(source, usable, shared)
    index = OverlapIndex(NEAR_COPY, map(context_words, train))
    kept = [place for place in rest.kept if not index.has_near(context_words(source[place]))]
    if near := len(rest.kept) - len(kept):
        rest.left_out["near copies of them are"] = near
    warnings += rest.reasons("{} left out: {} in the training set already", _DEV)
    return kept, warnings


@dataclass(frozen=True)
class _Shared:
    """The ids, sentences and groups of one part, which no other part may have."""

    ids: frozenset[str] = frozenset()
    sentences: SharedSentences = field(default_factory=SharedSentences)
    groups: frozenset[str | None] = frozenset()

    @classmethod
    def of(cls, part: Pool, by: By) -> _Shared:
        groups = [group for group in part.groups if group is not None and by == "group"]
        sentences = SharedSentences(map(part.sentences, range(len(part))))
        return cls(frozenset(part.ids), sentences, frozenset(groups))

    def reason(self, pool: Pool, place: int) -> str | None:
        """Return why a sample may not be in another part."""
        if pool.ids[place] in self.ids:
            return "their ids are"
        if self.sentences.has(pool.sentences(place)):
            return "their sentences are"
        return "their groups are" if pool.groups[place] in self.groups else None


@dataclass(frozen=True)
class _Rest:
    """The samples that are left, and how many were left out for each reason."""

    kept: Sequence[int]
    left_out: Counter[str]

    def reasons(self, form: str, noun: str = "sample") -> list[str]:
        left_out = sorted(self.left_out.items())
        return [form.format(counted(number, noun), cause) for cause, number in left_out]


def _without(pool: Pool, places: Sequence[int], shared: _Shared) -> _Rest:
    kept, left_out = array("q"), Counter[str]()
    for place in places:
        if (why := shared.reason(pool, place)) is None:
            kept.append(place)
        else:
            left_out[why] += 1
    return _Rest(kept, left_out)


def _left_out(usable: _Rest, draws: Mapping[str, Sequence[int]]) -> list[str]:
    """Return what is said of samples that no training set can have."""
    said = usable.reasons("{} left out: {} among the excluded samples")
    if repeated := len(usable.kept) - sum(map(len, draws.values())):
        said.append(
            f"{statement(repeated, 'sample', 'repeat')} a pair of a sentence: it counts once a "
            "relation"
        )
    return said


def _check_groups(pool: Pool, by: By) -> None:
    if by == "group" and None in pool.groups:
        alone = pool.ids[pool.groups.index(None)]
        remedy = "give each sample a `group` (--columns group=…), or split by sentence"
        raise InputError("a sample without a group", field="by", value=alone, remedy=remedy)


def _check_shots(shots: int, pool: Pool, usable: _Rest, draws: Mapping[str, Sequence[int]]) -> None:
    """Raise InputError if no sample is left, or no relation has so many different pairs."""
    if usable.left_out and not usable.kept:
        why = ", ".join(usable.reasons("{}, {} among the excluded"))
        remedy = "exclude other samples than those to draw from"
        raise InputError(f"all samples are left out: {why}", field="exclude", remedy=remedy)
    largest = max(map(len, draws.values()), default=0)
    if shots <= largest:
        return
    problem = f"too many: the largest relation has {counted(largest, 'usable sample')}"
    remedy = f"choose at most {largest}, or give more samples"
    label, number = next(
        iter(Counter(pool.relations[place] for place in usable.kept).most_common(1)), ("", 0)
    )
    if number > (different := len(draws.get(label, ()))):
        problem += (
            f" ({label} has {number} samples of {counted(different, 'pair')}: a pair of a sentence "
            "counts once for a relation)"
        )
        remedy = f"choose at most {largest}, or give samples of other pairs"
    raise InputError(problem, field="shots", value=shots, remedy=remedy)


def _first(
    pool: Pool,
    draws: Mapping[str, Sequence[int]],
    shots: int,
    part: str,
    excluded: OverlapIndex | None = None,
) -> tuple[list[int], list[str]]:
    """Return the first K samples of each relation, and a warning for each that has fewer.

    Near copies of excluded samples are passed over, and counted in a warning.
    """
    chosen, warnings, near = list[int](), list[str](), 0
    for label, places in draws.items():
        number = 0
        for place in places:
            if number == shots:
                break
            if excluded is not None and excluded.has_near(context_words(pool[place])):
                near += 1
                continue
            chosen.append(place)
            number += 1
        if number < shots:
            said = f"{label}: only {number} of {counted(shots, f'{part} sample')}"
            if not number and part == "training":
                said += "; label some, or leave the relation out of the schema"
            warnings.append(said)
    if near:
        warnings.append(f"{counted(near, 'sample')} passed over: nearly the same as excluded ones")
    if near and not chosen:
        raise InputError(
            "all samples nearly repeat excluded ones",
            field="exclude",
            value=counted(near, "near copy", "near copies"),
            remedy="give samples of other sentences, or exclude nothing",
        )
    return chosen, warnings


def _draws(
    pool: Pool,
    places: Iterable[int],
    schema: RelationSchema | None,
    seed: int,
    forbidden: _Shared,
    labels: Iterable[str] = (),
) -> dict[str, list[int]]:
    """Return the samples of each relation in drawn order, without repeated or forbidden ones."""
    found: dict[str, list[int]] = {label: [] for label in labels}
    for place in places:
        found.setdefault(pool.relations[place], []).append(place)
    if schema is not None:
        for label in found:
            schema.check_label(label)
    draws = {}
    for label in sorted(found) if schema is None else schema.labels:
        # one generator per relation: a draw does not change when another relation grows
        members = sorted(found.get(label, []), key=pool.ids.__getitem__)
        random.Random(f"fewshot/{seed}/{label}").shuffle(members)
        draws[label] = [
            place for place in _distinct(pool, members) if forbidden.reason(pool, place) is None
        ]
    return draws


def _distinct(pool: Pool, members: Sequence[int]) -> Iterator[int]:
    """Yield the samples without further ones of the same pair of the same sentence."""
    times, seen = Counter(pool.texts[place] for place in members), set[tuple[object, ...]]()
    for place in members:
        text, pair = pool.texts[place], list[str]()
        if times[text] > 1:
            # by its words, since a repeated sentence may be spaced or punctuated otherwise
            sample = pool[place]
            ends = (*sample.head.span, *sample.tail.span)
            pair = [normalised(sample.text[:end]) for end in ends]
            if (key := (text, *pair)) in seen:
                continue
            seen.add(key)
        yield place
