"""K-shot splits: K training samples for each relation, chosen by seed, and what is left for dev.

The choice for a relation depends on its own samples and the seed only: not on the file's order, nor
on the other relations. The choice for 16 shots begins with the choice for 8.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from relgen import __version__
from relgen.common import InputError, content_hash
from relgen.data.samples import Sample, normalised
from relgen.data.schema import RelationSchema

Dev = Literal["full", "K", "none"]


@dataclass(frozen=True)
class FewShotSplit:
    """A training and a development set that share neither an id nor a normalised text.

    Args:
        train: at most K samples for each relation, relation by relation.
        dev: see `split`; empty for `none`.
        warnings: what the user should know, each naming the relation.
    """

    train: list[Sample]
    dev: list[Sample]
    warnings: list[str] = field(default_factory=list)


def split(
    samples: Sequence[Sample],
    schema: RelationSchema | None = None,
    *,
    shots: int,
    seed: int,
    dev: Dev = "full",
    dev_samples: Sequence[Sample] | None = None,
    exclude: Iterable[Sample] = (),
) -> FewShotSplit:
    """Chooses K samples for each relation.

    Args:
        samples: the labelled pool.
        schema: fixes the order of relations, and refuses labels that it does not hold.
        shots: K.
        seed: another seed, another choice.
        dev: `full`: all other samples; `K`: K others for each relation; `none`.
        dev_samples: where dev comes from, when it is not the rest of `samples`.
        exclude: samples (of a test set) whose ids and normalised texts no chosen sample may have.

    Raises:
        InputError: K is below 1 or larger than every relation's samples, or a label is unknown.
    """
    if shots < 1:
        raise InputError("must be at least 1", field="shots", value=shots)
    held_out = list(exclude)
    excluded_ids = {sample.id for sample in held_out}
    forbidden = {normalised(sample.text) for sample in held_out}
    usable = [sample for sample in samples if sample.id not in excluded_ids]
    pools = _pools(usable, schema, seed, forbidden)
    largest = max((len(pool) for pool in pools.values()), default=0)
    if shots > largest:
        raise InputError(
            f"larger than the data: the largest relation has {largest} usable samples",
            field="shots",
            value=shots,
            remedy=f"choose at most {largest}, or give more samples",
        )
    warnings = [
        f"{label}: {len(pool)} training samples in place of {shots}"
        for label, pool in pools.items()
        if len(pool) < shots
    ]
    if len(usable) < len(samples):
        number = len(samples) - len(usable)
        warnings.append(f"{number} samples left out: the excluded samples have the same ids")
    train = [sample for pool in pools.values() for sample in pool[:shots]]
    if dev == "none":
        return FewShotSplit(train, [], warnings)
    ids = {sample.id for sample in train} | excluded_ids
    texts = {normalised(sample.text) for sample in train} | forbidden
    rest = [
        sample
        for sample in (samples if dev_samples is None else dev_samples)
        if sample.id not in ids and normalised(sample.text) not in texts
    ]
    others = _pools(rest, schema, seed, set(), labels=pools)
    if dev == "full":
        chosen = sorted(rest, key=lambda sample: sample.id)
    else:
        warnings += [
            f"{label}: {len(pool)} development samples in place of {shots}"
            for label, pool in others.items()
            if len(pool) < shots
        ]
        chosen = [sample for pool in others.values() for sample in pool[:shots]]
    if not chosen:
        warnings.append("no sample is left for the development set")
    return FewShotSplit(train, chosen, warnings)


def manifest(
    result: FewShotSplit,
    source: str | Path,
    *,
    shots: int,
    seed: int,
    dev: Dev,
    others: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """What `manifest.json` holds: enough to tell where a split comes from and to make it again.

    Args:
        result: the split.
        source: the samples file.
        shots: K.
        seed: as given to `split`.
        dev: as given to `split`.
        others: further files that took part, such as the test set that was kept out.
    """
    return {
        "relgen_version": __version__,
        "source": _described(source),
        "others": [_described(path) for path in others],
        "shots": shots,
        "seed": seed,
        "dev": dev,
        "counts": {
            "train": dict(Counter(sample.relation for sample in result.train)),
            "dev": dict(Counter(sample.relation for sample in result.dev)),
        },
        "warnings": result.warnings,
        "ids": {
            "train": [sample.id for sample in result.train],
            "dev": [sample.id for sample in result.dev],
        },
    }


def _described(path: str | Path) -> dict[str, str]:
    return {"file": Path(path).name, "sha256": content_hash(path)}


def _pools(
    samples: Iterable[Sample],
    schema: RelationSchema | None,
    seed: int,
    forbidden: set[str],
    labels: Iterable[str] = (),
) -> dict[str, list[Sample]]:
    """For each relation its usable samples in drawn order, no normalised text twice."""
    found: dict[str, list[Sample]] = {label: [] for label in labels}
    for sample in samples:
        if schema is not None:
            schema.check_label(sample.relation)
        found.setdefault(sample.relation, []).append(sample)
    pools = {}
    for label in sorted(found) if schema is None else schema.labels:
        # a generator for each relation: the choice for one does not move when another one grows;
        # seeded by a string, which gives the same numbers on every machine
        members = sorted(found.get(label, []), key=lambda sample: sample.id)
        random.Random(f"fewshot/{seed}/{label}").shuffle(members)
        distinct: dict[str, Sample] = {}
        for sample in members:
            distinct.setdefault(normalised(sample.text), sample)
        pools[label] = [sample for text, sample in distinct.items() if text not in forbidden]
    return pools
