"""The paper's figures, which reports mark as not measured here.

They are micro-F1 in per cent of KnowPrompt on RoBERTa-large, from public summaries of the paper.
"""

from __future__ import annotations

# (our arm, the paper's name) and the figures, in the order of `_SETTINGS`
_FIGURES = {
    ("human", "human only"): ("22.07", "30.00", "44.77", "61.39"),
    ("obo_dpo_pure", "generated only (OBO + DPO)"): ("22.48", "27.99", "34.77", "42.02"),
    ("obo_dpo_mix", "mix, OBO"): ("33.48", "34.93", "57.41", "67.92"),
    ("aao_dpo_mix", "mix, AAO"): ("34.30", "35.56", "56.01", "70.32"),
    ("direct", "Direct-RE"): ("21.17", None, "33.30", "25.55"),
}
_SETTINGS = [("tacred", 8), ("tacred", 16), ("retacred", 8), ("semeval", 8)]


def published_figures(corpus: str, shots: int) -> dict[str, tuple[str, str]]:
    """Return the paper's name of an arm and its figure in %, by our name, for one corpus and K."""
    if (corpus, shots) not in _SETTINGS:
        return {}
    column = _SETTINGS.index((corpus, shots))
    return {
        arm: (name, figure)
        for (arm, name), figures in _FIGURES.items()
        if (figure := figures[column]) is not None
    }
