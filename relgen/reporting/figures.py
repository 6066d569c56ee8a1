"""Mean pairwise cosine by relation, as a chart and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relgen.evaluation import mean
from relgen.reporting import charts, tables


def cosines(
    sets: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, dict[str, float | None]]:
    """Mean pairwise cosine by relation and set, means over seeds (the paper's figure 5)."""
    rows: dict[str, dict[str, float | None]] = {}
    for name, seeds in sets.items():
        for label in dict.fromkeys(label for of in seeds for label in of.get("per_relation", {})):
            values = [of.get("per_relation", {}).get(label, {}).get("cosine") for of in seeds]
            rows.setdefault(label, {})[name] = mean(values)
    return rows


def cosine_chart(sets: Mapping[str, Sequence[Mapping[str, Any]]]) -> charts.DotChart | None:
    """The cosines as a row of dots for each relation."""
    return charts.dot_chart(cosines(sets), {name: number for number, name in enumerate(sets)})


def cosine_table(sets: Mapping[str, Sequence[Mapping[str, Any]]]) -> tables.Table | None:
    """The same as a table: relations in rows, sets in columns."""
    rows = []
    for label, of in cosines(sets).items():
        values = [of.get(name) for name in sets]
        cells = [tables.Cell(tables.MISSING if v is None else f"{v:.3f}") for v in values]
        rows.append(tables.Row(label, cells))
    return tables.Table(["Relation", *sets], rows) if rows else None
