"""The figures that the paper reports; reports mark them as not measured here.

KnowPrompt on RoBERTa-large, micro-F1 in per cent, taken from public summaries of the paper.
"""

from __future__ import annotations

from relgen.reporting.tables import MISSING, Cell, Row, Table

_COLUMNS = {
    "tacred": {8: "TACRED, K = 8", 16: "TACRED, K = 16"},
    "retacred": {8: "Re-TACRED, K = 8"},
    "semeval": {8: "SemEval, K = 8"},
}
# (our arm, the paper's name) and the figures in the order of the columns
_FIGURES = {
    ("human", "human only"): ("22.07", "30.00", "44.77", "61.39"),
    ("obo_dpo_pure", "generated only (OBO + DPO)"): ("22.48", "27.99", "34.77", "42.02"),
    ("obo_dpo_mix", "mix, OBO"): ("33.48", "34.93", "57.41", "67.92"),
    ("aao_dpo_mix", "mix, AAO"): ("34.30", "35.56", "56.01", "70.32"),
    ("direct", "Direct-RE"): ("21.17", MISSING, "33.30", "25.55"),
}
_ORDER = [column for columns in _COLUMNS.values() for column in columns.values()]


def published_figures(corpus: object, shots: object) -> dict[str, tuple[str, str]]:
    """Return the paper's name and figure, in %, by our arm, for one corpus and K."""
    columns = [column for number, column in _columns(corpus).items() if number == shots]
    return {
        arm: (name, figure)
        for (arm, name), figures in _FIGURES.items()
        for column in columns
        if (figure := figures[_ORDER.index(column)]) != MISSING
    }


def published_table(corpus: object) -> Table | None:
    """Return the paper's figures for a corpus; None if it has none for it."""
    columns = list(_columns(corpus).values())
    rows = [
        Row(name, [Cell(figures[_ORDER.index(column)]) for column in columns])
        for (_, name), figures in _FIGURES.items()
    ]
    return Table(["Published", *columns], rows) if columns else None


def _columns(corpus: object) -> dict[int, str]:
    name = "".join(c for c in str(corpus).lower() if c.isalnum()).replace("2010task8", "")
    return _COLUMNS.get(name, {})
