"""Describes arms and generated sets in words."""

from __future__ import annotations

from relgen.experiments import parse_arm

_WORDS = {
    "human": "human samples only",
    "direct": "the LLM asked for the relation",
    "xu2023": "generation of Xu et al. 2023",
    "aao": "all at once",
    "aao_dpo": "all at once, after DPO",
    "obo": "one by one",
    "obo_dpo": "one by one, after DPO",
    "obo_plain": "one by one, no diversity instruction",
    "obo_dpo_plain": "one by one, after DPO, no diversity instruction",
    "obo_dpo_window": "one by one, after DPO, the last demonstrations only",
    "obo_dpo_no_wrong_label": "one by one, after DPO without wrong labels",
    "obo_dpo_no_near_copy": "one by one, after DPO without near copies",
    "obo_dpo_no_exact_copy": "one by one, after DPO without exact copies",
}
_TRAINED_ON = {"pure": "generated only", "mix": "human and generated"}


def generation_of(arm: str) -> str | None:
    """Return the generated set that an arm uses; None for `human` and `direct`.

    `obo_dpo_mix` uses `obo_dpo`, and `obo_dpo_mix@16` uses `obo_dpo@16`.
    """
    parsed = parse_arm(arm)
    part = "" if parsed.first is None else f"@{parsed.first}"
    return None if parsed.generation is None else f"{parsed.generation}{part}"


def is_part(arm: str) -> bool:
    """Return True for an arm or set that uses only the first samples of a set."""
    return "@" in arm


def describe(arm: str) -> str:
    """Describe an arm or a generated set in a few words."""
    stem, at, number = arm.partition("@")
    way, _, kind = stem.rpartition("_")
    said = f"{_TRAINED_ON[kind]}: {_WORDS[way]}" if kind in _TRAINED_ON else _WORDS[stem]
    return f"{said}, the first {number} of each relation" if at else said
