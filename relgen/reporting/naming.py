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
    "obo_dpo_plain": "one by one, after DPO, no diversity instruction",
    "obo_dpo_window": "one by one, after DPO, the last demonstrations only",
    "obo_dpo_no_wrong_label": "one by one, after DPO without wrong labels",
    "obo_dpo_no_near_copy": "one by one, after DPO without near copies",
    "obo_dpo_no_exact_copy": "one by one, after DPO without exact copies",
}
_TRAINED_ON = {"pure": "generated only", "mix": "human and generated"}


def generation_of(arm: str) -> str | None:
    """The generated set that an arm uses: `obo_dpo` for `obo_dpo_mix`; None for `human`.

    `obo_dpo_mix@16` uses `obo_dpo@16`, the first 16 samples of each relation.
    """
    stem, at, number = arm.partition("@")
    if stem in ("human", "direct"):
        return None
    way, _, kind = stem.rpartition("_")
    return f"{way if kind in _TRAINED_ON else stem}{at}{number}"


def is_part(arm: str) -> bool:
    """Whether an arm uses the first samples only of a set that others may use whole."""
    return "@" in arm


def describe(arm: str) -> str:
    """An arm, or a way of generating, in a few plain words; unknown ones stay as they are."""
    stem, at, number = arm.partition("@")
    way, _, kind = stem.rpartition("_")
    said = _WORDS.get(stem, stem)
    if kind in _TRAINED_ON:
        said = f"{_TRAINED_ON[kind]}: {_WORDS.get(way, way)}"
    return f"{said}, the first {number} of each relation" if at else said
