"""The arms of an experiment: the systems that it compares, by name.

`human` trains on the labelled samples alone; `direct` asks the language model for the relation;
`xu2023` adds samples generated as in Xu et al. 2023. All others combine a way of generating
(`GENERATIONS`) with `_pure`, which trains on generated samples alone, or `_mix`, which trains on
human ones too. `obo_dpo_mix@16` uses the first 16 generated samples of each relation.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Literal

from relgen.common import InputError
from relgen.dpo import REJECTION_KINDS, RejectionKind

Mix = Literal["human", "direct", "pure", "mix"]
Preset = Literal["obo", "aao", "xu2023"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """The way in which the generator is tuned by DPO.

    Args:
        diverse: put the diversity instruction into the prompts.
        without: leave out this kind of rejected sample.
    """

    diverse: bool = True
    without: RejectionKind | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """A way of generating.

    Args:
        mode: one by one or all at once.
        tuning: None uses the model without DPO.
        diverse: put the diversity instruction into the prompts.
        window: show only the last accepted samples (`generator.window` of them).
        preset: the key of the generator's settings; by default the mode.
    """

    mode: Literal["obo", "aao"]
    tuning: Tuning | None = None
    diverse: bool = True
    window: bool = False
    preset: Preset | None = None

    @property
    def settings(self) -> Preset:
        """The key of the generator's settings."""
        return self.preset or self.mode


GENERATIONS = {
    "aao": Generation("aao"),
    "aao_dpo": Generation("aao", Tuning()),
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
ARMS = (
    "human",
    "direct",
    "xu2023",
    *(f"{name}_{mix}" for name in GENERATIONS for mix in ("pure", "mix")),
)


@dataclass(frozen=True, slots=True)
class Arm:
    """A parsed arm name.

    Args:
        name: the arm's name.
        generation: a key of `GENERATIONS`; None for `human` and `direct`.
        mix: the samples that a classifier is trained on.
        first: use this many generated samples of each relation; None uses all.
    """

    name: str
    generation: str | None
    mix: Mix
    first: int | None = None


def parse_arm(name: str) -> Arm:
    """Parse an arm's name.

    Raises:
        InputError: the arm is unknown, or `@` is not followed by a positive number, or the arm
            uses no generated samples.
    """
    stem, at, number = name.partition("@")
    if stem not in ARMS:
        near = difflib.get_close_matches(stem, ARMS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"arms: {', '.join(ARMS)}"
        raise InputError("unknown arm", field="arms", value=name, remedy=hint)
    first = None
    if at:
        if not number.isdecimal() or not int(number) or stem in ("human", "direct"):
            raise InputError(
                "`@` must be followed by a number of generated samples",
                field="arms",
                value=name,
                remedy="for example obo_dpo_mix@16",
            )
        first = int(number)
    if stem in ("human", "direct"):
        return Arm(name, None, "human" if stem == "human" else "direct")
    if stem in GENERATIONS:
        return Arm(name, stem, "mix", first)
    generation, _, mix = stem.rpartition("_")
    return Arm(name, generation, "pure" if mix == "pure" else "mix", first)


def without_tuning(name: str) -> str | None:
    """Return the arm that differs only in having no DPO; None where there is none."""
    arm = parse_arm(name)
    generation = GENERATIONS[arm.generation] if arm.generation else None
    if generation is None or generation.tuning is None:
        return None
    plain = replace(generation, tuning=None)
    same = next((key for key, other in GENERATIONS.items() if other == plain), None)
    return None if same is None else _with_generation(arm, same)


def as_method(name: str) -> str | None:
    """Return the arm that uses the method's samples instead; None where there is none."""
    arm = parse_arm(name)
    return None if arm.generation in (None, METHOD) else _with_generation(arm, METHOD)


def _with_generation(arm: Arm, generation: str) -> str:
    return f"{generation}_{arm.mix}" + ("" if arm.first is None else f"@{arm.first}")
