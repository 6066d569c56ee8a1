"""Chains of preference pairs, built from labelled samples without human preferences.

*chosen* is a labelled sample of the target relation. *rejected* is one of three kinds:
`wrong_label` (a sample that is labelled with other relations only, presented as one of the target),
`near_copy` (a demonstration with other entities and a few other words) and `exact_copy` (an
unchanged demonstration). A *chain* imitates one-by-one generation: the k-th pair's prompt shows k
demonstrations, and its chosen sample is the demonstration that pair k + 1 adds (Li, Dai, Li,
ACL 2025, section 3.3).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from relgen.common import (
    POSITIONAL,
    CombinedInputError,
    InputError,
    InputFile,
    NonNegativeFloat,
    PositiveInt,
    checked,
    decode_json,
    write_jsonl,
)
from relgen.data import Half, RelationSchema, Sample, json_lines, normalised, value_of
from relgen.dpo.near_copies import NearCopies

RejectionKind = Literal["wrong_label", "near_copy", "exact_copy"]
REJECTION_KINDS: tuple[RejectionKind, ...] = get_args(RejectionKind)
EQUAL_SHARES: Mapping[RejectionKind, float] = dict.fromkeys(REJECTION_KINDS, 1.0)


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two answers to one prompt, and the reason why the second is worse."""

    chosen: Sample
    rejected: Sample
    kind: RejectionKind


@dataclass(frozen=True, slots=True)
class Chain:
    """One run of one-by-one generation: a first demonstration, then the pairs in order."""

    id: str
    relation: str
    demonstration: Sample
    pairs: tuple[PreferencePair, ...]
    half: Half | None = None

    def demonstrations(self, step: int) -> tuple[Sample, ...]:
        """Return the `step + 1` samples that the prompt of pair `step` (from 0) shows."""
        return (self.demonstration, *(pair.chosen for pair in self.pairs[:step]))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of a line of `chains.jsonl`."""
        return {
            "id": self.id,
            "relation": self.relation,
            "half": self.half,
            "demonstration": self.demonstration.to_json(),
            "pairs": [
                {"kind": p.kind, "chosen": p.chosen.to_json(), "rejected": p.rejected.to_json()}
                for p in self.pairs
            ],
        }

    @classmethod
    def from_json(cls, row: Any) -> Chain:
        """Build a chain from `to_json`'s object; raise InputError that names the bad field."""
        if not isinstance(row, dict):
            raise InputError("a chain must be a JSON object", value=row)
        pairs = row.get("pairs")
        if not isinstance(pairs, list) or not pairs:
            raise InputError("must be a list of pairs", field="pairs", value=pairs)
        return cls(
            id=value_of(row, "id", str),
            relation=value_of(row, "relation", str),
            demonstration=Sample.from_json(row.get("demonstration")),
            pairs=tuple(_pair_from_json(pair) for pair in pairs),
            half=checked(Half | None, row.get("half"), "half"),
        )


def build_chains(
    samples: Iterable[Sample],
    schema: RelationSchema,
    *,
    seed: int,
    half: Half | None = None,
    shares: Mapping[RejectionKind, float] = EQUAL_SHARES,
    chains_per_relation: PositiveInt = 1,
) -> list[Chain]:
    """Build the chains of a few-shot set.

    Each chain visits all samples of its relation in random order, so that K samples give K - 1
    pairs. The kinds of rejected sample follow `shares` as closely as the chain's length allows, in
    random order.

    Args:
        seed: of the random choices; a relation's orders do not depend on `half`.
        half: build chains for the relations of this half only, with rejected samples from the same
            half, so that tuning sees no sample of the other half.
        shares: relative weight of each kind; 0 excludes a kind.
        chains_per_relation: number of chains for each relation.

    Raises:
        InputError: an unknown relation, shares that are negative or all zero, no chains, or no
            relation with two samples.
    """
    chains_per_relation = checked(PositiveInt, chains_per_relation, "chains_per_relation")
    shares = checked(dict[RejectionKind, NonNegativeFloat], dict(shares), "shares")
    if not any(shares.values()):
        raise InputError("at least one share must be positive", field="shares", value=dict(shares))
    by_relation: dict[str, list[Sample]] = {label: [] for label in schema.labels}
    for sample in samples:
        schema.check_label(sample.relation)
        by_relation[sample.relation].append(sample)
    labels = schema.labels if half is None else schema.halves(seed)[half]
    pool = _Pool({label: by_relation[label] for label in labels}, by_relation)
    chains = []
    for label in labels:
        for number in range(chains_per_relation):
            rng = random.Random(f"chains/{seed}/{label}/{number}")
            order = rng.sample(by_relation[label], len(by_relation[label]))
            pairs = tuple(_pairs(order, pool, shares, rng))
            if pairs:
                chain_id = f"{label}#{number}"
                chains.append(Chain(chain_id, label, order[0], pairs, half))
    if not chains:
        raise InputError(
            "no relation has two samples: a pair needs a demonstration and a chosen sample",
            field="train",
            value={label: len(found) for label, found in by_relation.items()},
            remedy="give at least two samples per relation, or generate without tuning",
        )
    return chains


def write_chains(path: str | Path, chains: Iterable[Chain], *, replace: bool = True) -> int:
    """Write `chains.jsonl` with `atomic_writer` and return the number of chains."""
    return write_jsonl(path, (chain.to_json() for chain in chains), replace=replace)


def read_chains(path: str | Path) -> list[Chain]:
    """Read `chains.jsonl`; raise InputError for malformed lines, naming each, or an empty file."""
    chains, errors = [], []
    for number, line in json_lines(Path(path)):
        try:
            chains.append(Chain.from_json(decode_json(line)))
        except InputError as error:
            remedy = "build the chains again with `relgen chains`"
            errors.append(InputError(str(error), path=path, line=number, remedy=remedy))
    if errors:
        raise errors[0] if len(errors) == 1 else CombinedInputError(errors)
    if not chains:
        raise InputError("the file is empty", path=path, remedy="build it with `relgen chains`")
    return chains


Form = tuple[str, str, str]


class _Pool:
    """The samples that rejected ones are made of, by relation.

    `everything` has those of the other half as well: a sentence may have several relations.
    """

    def __init__(
        self,
        by_relation: Mapping[str, Sequence[Sample]],
        everything: Mapping[str, Sequence[Sample]],
    ) -> None:
        self._samples = by_relation
        self._relations: dict[Form, set[str]] = {}
        for label, samples in everything.items():
            for sample in samples:
                self._relations.setdefault(_form(sample), set()).add(label)
        # with which other relations a relation shares sentences and entities
        self._shared: defaultdict[str, set[str]] = defaultdict(set)
        for labels in self._relations.values():
            for label in labels if len(labels) > 1 else ():
                self._shared[label] |= labels
        self._near_copies = NearCopies([s for samples in by_relation.values() for s in samples])
        self._wrong: dict[str, dict[str, Sequence[Sample]]] = {}

    def rejected(
        self,
        kind: RejectionKind,
        chosen: Sample,
        order: Sequence[Sample],
        step: int,
        rng: random.Random,
    ) -> Sample | None:
        """Return a rejected sample of a kind, or None; the prompt shows `order` up to `step`."""
        if kind == "wrong_label":
            options = self.wrong(chosen.relation)
            if not options:
                return None
            # choose the label first: a large one (often the negative) must not dominate
            label = rng.choice(sorted(options))
            return rng.choice(options[label]).with_relation(chosen.relation)
        source = order[rng.randrange(step + 1)]
        if kind == "exact_copy":
            return source if _form(source) != _form(chosen) else None
        for _ in range(8):
            copy = self._near_copies.copy(source, rng)
            if chosen.relation not in self._relations.get(_form(copy), ()):
                return copy
        return None

    def wrong(self, relation: str) -> Mapping[str, Sequence[Sample]]:
        """Return the samples of each other relation that are not labelled with this one as well."""
        if relation not in self._wrong:
            found = {label: of for label, of in self._samples.items() if label != relation}
            for label in self._shared[relation] & found.keys():
                found[label] = [
                    sample
                    for sample in found[label]
                    if relation not in self._relations[_form(sample)]
                ]
            self._wrong[relation] = {label: of for label, of in found.items() if of}
        return self._wrong[relation]


def _pairs(
    order: Sequence[Sample],
    pool: _Pool,
    shares: Mapping[RejectionKind, float],
    rng: random.Random,
) -> Iterator[PreferencePair]:
    kinds = _kinds(max(0, len(order) - 1), shares, rng)
    for step, (chosen, kind) in enumerate(zip(order[1:], kinds, strict=True)):
        # a kind can be impossible (no other relation, only equal texts): then try the next one
        fallbacks = [kind, *(k for k in REJECTION_KINDS if k != kind and shares.get(k, 0.0) > 0)]
        for candidate in fallbacks:
            rejected = pool.rejected(candidate, chosen, order, step, rng)
            if rejected is not None:
                yield PreferencePair(chosen, rejected, candidate)
                break
        else:
            raise InputError(
                "no rejected sample differs from the chosen one",
                field="relation",
                value=chosen.relation,
                remedy=(
                    "a wrong label needs samples of another relation that do not have this one as "
                    "well: give some, or allow other kinds of rejected sample"
                    if fallbacks == ["wrong_label"]
                    else "all samples of this relation are the same: give different ones"
                ),
            )


def _kinds(
    number: int, shares: Mapping[RejectionKind, float], rng: random.Random
) -> list[RejectionKind]:
    """Apportion `number` pairs by largest remainders; ties are broken at random."""
    total = sum(shares.get(kind, 0.0) for kind in REJECTION_KINDS)
    exact = {kind: number * shares.get(kind, 0.0) / total for kind in REJECTION_KINDS}
    kinds = [kind for kind in REJECTION_KINDS for _ in range(int(exact[kind]))]
    left = sorted(REJECTION_KINDS, key=lambda kind: (-(exact[kind] % 1), rng.random()))
    kinds += left[: number - len(kinds)]
    rng.shuffle(kinds)
    return kinds


def _form(sample: Sample) -> Form:
    """Return the normalised sentence and the entities marked in it."""
    return normalised(sample.text), normalised(sample.head_text), normalised(sample.tail_text)


def _pair_from_json(row: Any) -> PreferencePair:
    kind = row.get("kind") if isinstance(row, dict) else row
    if kind not in REJECTION_KINDS:
        known = ", ".join(REJECTION_KINDS)
        raise InputError(f"must be one of {known}", field="pairs.kind", value=kind)
    chosen, rejected = (Sample.from_json(row.get(name)) for name in ("chosen", "rejected"))
    return PreferencePair(chosen, rejected, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainsOptions:
    """Build chains of preference pairs from labelled samples.

    The chosen sample is a labelled one; the rejected one has a wrong label or copies a
    demonstration.
    """

    train: InputFile = field(metadata=POSITIONAL)
    """File with a few samples for each relation (samples.jsonl)."""
    schema: str
    """Schema file, or the name of a shipped schema."""
    out: str
    """File to write (chains.jsonl)."""
    half: Half | None = None
    """Build chains for the relations of this half only."""
    seed: int = 1
    """Seed of halves, orders and choices."""
    shares: dict[RejectionKind, NonNegativeFloat] = field(default_factory=dict)
    """Relative shares of wrong_label, near_copy and exact_copy (by default equal); a kind that is
    left out gets none.
    """
    chains_per_relation: PositiveInt = 1
    """Chains per relation."""
    force: bool = False
    """Replace other chains that are there already."""
