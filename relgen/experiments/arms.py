"""The arms of an experiment: the systems that it compares, by name.

`human` trains a classifier on the labelled samples alone, `direct` asks the language model for the
relation, `reader` classifies by what it reads, and `xu2023` is short for `xu2023_mix`. All other
names combine a key of `GENERATIONS` with `_pure` (train on generated samples alone), `_mix` (train
on human samples as well) or `_unlabelled_mix` (and on the user's unlabelled sentences, under the
labels that the reader gives them); `unlabelled_mix` has no generated samples. `obo_dpo_mix@16` uses
the first 16 generated samples of each relation. `obo_dpo_mix_reviewed` is `obo_dpo_mix` with what
people made of its samples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

from relgen.common import InputError, suggestion
from relgen.dpo import REJECTION_KINDS, RejectionKind

TrainedOn = Literal["human", "direct", "reader", "pure", "mix"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """The DPO tuning of a generator, with or without the diversity instruction in the prompts.

    `without` leaves out one kind of rejected samples.
    """

    diverse: bool = True
    without: RejectionKind | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """A way of generating samples: one by one (`obo`) or all at once (`aao`)."""

    mode: Literal["obo", "aao"]
    tuning: Tuning | None = None  # None uses the model without DPO
    diverse: bool = True  # put the diversity instruction into the prompts
    window: bool = False  # show only the last `generator.window` accepted samples
    preset: Literal["obo", "aao", "xu2023"] = "obo"  # the key of `generator` that names it


GENERATIONS = {
    "aao": Generation("aao", preset="aao"),
    "aao_dpo": Generation("aao", Tuning(), preset="aao"),
    "obo": Generation("obo"),
    "obo_dpo": Generation("obo", Tuning()),
    "obo_plain": Generation("obo", diverse=False),
    "obo_dpo_plain": Generation("obo", Tuning(diverse=False), diverse=False),
    "obo_dpo_window": Generation("obo", Tuning(), window=True),
    **{f"obo_dpo_no_{kind}": Generation("obo", Tuning(without=kind)) for kind in REJECTION_KINDS},
    "xu2023": Generation("aao", diverse=False, preset="xu2023"),
}
METHOD = "obo_dpo"
"""The paper's method: one by one, after DPO."""
_UNLABELLED = "unlabelled"
_REVIEWED = "_reviewed"
UNTRAINED = ("direct", "reader")
"""The arms in which the language model itself is the classifier."""
_ALONE = ("human", *UNTRAINED, f"{_UNLABELLED}_mix")  # without generated samples
ARMS = (
    *_ALONE,
    "xu2023",
    *(f"{name}_{mix}" for name in GENERATIONS for mix in ("pure", "mix", f"{_UNLABELLED}_mix")),
)


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm's name, and its parts: a key of `GENERATIONS`, the samples to train on, and a number.

    Only the `first` generated samples of each relation are used; None uses all. `unlabelled` adds
    the user's unlabelled sentences; `reviewed` takes what people made of all these.
    """

    name: str
    generation: str | None
    mix: TrainedOn
    first: int | None = None
    unlabelled: bool = False
    reviewed: bool = False


def parse_arm(name: str) -> Arm:
    """Parse an arm's name.

    Raises InputError if the arm is unknown, `@` is not followed by a positive number, or it is the
    `@` of an arm without generated samples.
    """
    whole, at, number = name.partition("@")
    stem = whole.removesuffix(_REVIEWED)
    reviewed = stem != whole
    if stem not in ARMS or (reviewed and stem in ("human", *UNTRAINED)):
        hint = suggestion(whole, ARMS, f"arms: {', '.join(ARMS)}")
        raise InputError("unknown arm", field="arms", value=name, remedy=hint)
    if at and (not number.isdecimal() or not int(number) or stem in _ALONE):
        raise InputError(
            "`@` must be followed by a number of generated samples",
            field="arms",
            value=name,
            remedy="for example obo_dpo_mix@16",
        )
    first = int(number) if at else None
    if stem == "human" or stem in UNTRAINED:
        return Arm(name, None, cast(TrainedOn, stem))
    way = stem if stem in GENERATIONS else stem.rpartition("_")[0]
    generation = way.removesuffix(_UNLABELLED).removesuffix("_") or None
    mix: TrainedOn = "pure" if stem.endswith("_pure") else "mix"
    return Arm(name, generation, mix, first, way.endswith(_UNLABELLED), reviewed)


def without_review(name: str) -> str | None:
    """Return the arm that differs only in what people made of its samples; None for others."""
    return name.replace(_REVIEWED, "") if parse_arm(name).reviewed else None


def without_tuning(name: str) -> str | None:
    """Return the arm that differs only in having no DPO; None if there is no such arm."""
    arm = parse_arm(name)
    generation = GENERATIONS.get(arm.generation or "")
    if generation is None or generation.tuning is None:
        return None
    plain = replace(generation, tuning=None)
    same = next((key for key, other in GENERATIONS.items() if other == plain), None)
    return same and _with_generation(arm, same)


def as_method(name: str) -> str | None:
    """Return the arm with the method's samples; None if it already has them, or has no samples."""
    arm = parse_arm(name)
    return None if arm.generation in (None, METHOD) else _with_generation(arm, METHOD)


def _with_generation(arm: Arm, generation: str) -> str:
    mix = f"{_UNLABELLED}_{arm.mix}" if arm.unlabelled else arm.mix
    part = "" if arm.first is None else f"@{arm.first}"
    return f"{generation}_{mix}{_REVIEWED if arm.reviewed else ''}{part}"
