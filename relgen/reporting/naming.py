"""Arms in plain words."""

from __future__ import annotations

_WORDS = {
    "human": "human samples only",
    "direct": "the LLM asked for the relation",
    "xu2023": "generation of Xu et al. 2023",
    "aao": "all at once",
    "aao_dpo": "all at once, after DPO",
    "obo": "one by one",
    "obo_dpo": "one by one, after DPO",
    "obo_plain": "one by one, no diversity instruction",
}
_TRAINED_ON = {"pure": "generated only", "mix": "human and generated"}


def generation_of(arm: str) -> str | None:
    """The way of generating that an arm uses: `obo_dpo` for `obo_dpo_mix`; None for `human`."""
    if arm in ("human", "direct"):
        return None
    stem, _, kind = arm.rpartition("_")
    return stem if kind in _TRAINED_ON else arm


def describe(arm: str) -> str:
    """An arm, or a way of generating, in a few plain words; unknown ones stay as they are."""
    stem, _, kind = arm.rpartition("_")
    if kind in _TRAINED_ON:
        return f"{_TRAINED_ON[kind]}: {_WORDS.get(stem, stem)}"
    return _WORDS.get(arm, arm)
