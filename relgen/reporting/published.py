"""What the paper reports, for the corpora that it covers. Never mixed with what was measured here.

KnowPrompt on RoBERTa-large, micro-F1 in per cent, taken from public summaries of the paper.
"""

from __future__ import annotations

from relgen.reporting.tables import MISSING, Cell, Row, Table

_COLUMNS = {
    "tacred": ("TACRED, K = 8", "TACRED, K = 16"),
    "retacred": ("Re-TACRED, K = 8",),
    "semeval": ("SemEval, K = 8",),
}
_FIGURES: dict[str, dict[str, str]] = {
    "human only": {
        "TACRED, K = 8": "22.07",
        "TACRED, K = 16": "30.00",
        "Re-TACRED, K = 8": "44.77",
        "SemEval, K = 8": "61.39",
    },
    "generated only (OBO + DPO)": {
        "TACRED, K = 8": "22.48",
        "TACRED, K = 16": "27.99",
        "Re-TACRED, K = 8": "34.77",
        "SemEval, K = 8": "42.02",
    },
    "mix, OBO": {
        "TACRED, K = 8": "33.48",
        "TACRED, K = 16": "34.93",
        "Re-TACRED, K = 8": "57.41",
        "SemEval, K = 8": "67.92",
    },
    "mix, AAO": {
        "TACRED, K = 8": "34.30",
        "TACRED, K = 16": "35.56",
        "Re-TACRED, K = 8": "56.01",
        "SemEval, K = 8": "70.32",
    },
    "Direct-RE": {
        "TACRED, K = 8": "21.17",
        "Re-TACRED, K = 8": "33.30",
        "SemEval, K = 8": "25.55",
    },
}


_ARMS = {
    "human only": "human",
    "generated only (OBO + DPO)": "obo_dpo_pure",
    "mix, OBO": "obo_dpo_mix",
    "mix, AAO": "aao_dpo_mix",
    "Direct-RE": "direct",
}


def published_figures(corpus: object, shots: object) -> dict[str, tuple[str, str]]:
    """The paper's figures in one setting, by our arm: the paper's name and the figure, in %."""
    columns = [name for name in _columns(corpus) if name.endswith(f"K = {shots}")]
    return {
        _ARMS[label]: (label, of[column])
        for column in columns
        for label, of in _FIGURES.items()
        if column in of
    }


def published_table(corpus: object) -> Table | None:
    """The paper's figures for a corpus; None when it has none for it."""
    columns = _columns(corpus)
    if not columns:
        return None
    rows = [
        Row(label, [Cell(of.get(column, MISSING)) for column in columns])
        for label, of in _FIGURES.items()
    ]
    return Table(["Published", *columns], rows)


def _columns(corpus: object) -> tuple[str, ...]:
    name = "".join(c for c in str(corpus).lower() if c.isalnum()).replace("2010task8", "")
    return _COLUMNS.get(name, ())
