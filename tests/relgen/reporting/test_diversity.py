"""Diversity of sets, with literal values."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.reporting import diversity
from relgen.reporting.data import load_run
from relgen.reporting.tables import TableCell
from tests.relgen.reporting.fake_run import make_run

pytestmark = pytest.mark.compute


def test_diversity_falls_back_on_the_results(tmp_path: Path) -> None:
    sets = diversity.diversity_sets(load_run(make_run(tmp_path, files=False)))
    assert list(sets) == ["human", "obo_dpo", "aao"]
    table = diversity.diversity_table(sets)
    assert [cell.text for cell in table.rows[1].cells] == ["–", "0.200", "0.300", "0.900", "0.100"]


def test_the_most_diverse_set_is_marked_only_among_sets_of_one_size() -> None:
    def of(cosine: float, size: int) -> list[dict[str, object]]:
        return [{"overall": {"cosine": cosine}, "sizes": {"a": size, "b": size}}]

    equal = diversity.diversity_table({"human": of(0.1, 8), "aao": of(0.4, 8)})
    assert [row.cells for row in equal.rows] == [
        [TableCell("8"), TableCell("0.100", best=True)],
        [TableCell("8"), TableCell("0.400")],
    ]
    unequal = diversity.diversity_table({"human": of(0.1, 8), "aao": of(0.4, 16)})
    assert not any(cell.best for row in unequal.rows for cell in row.cells)


def test_sizes_are_those_of_every_relation_and_seed() -> None:
    def seed(cosine: float, **sizes: int) -> dict[str, object]:
        return {"overall": {"cosine": cosine}, "sizes": sizes, "size": max(sizes.values())}

    sets = {
        "human": [seed(0.1, a=3, b=3, c=3)],
        "aao": [seed(0.2, a=2, b=3, c=1), seed(0, a=1, c=4)],
    }
    table = diversity.diversity_table(sets)
    assert [row.cells[0].text for row in table.rows] == ["3", "0 to 4"]
    assert diversity.left_out(sets) == ["aao (c, a, b)"]
    alike = {"human": [seed(0.1, a=1, b=3)], "aao": [seed(-0.0001, a=1, b=3)]}
    table = diversity.diversity_table(alike)
    assert [cell.text for row in table.rows for cell in row.cells] == [
        "1 to 3",
        "0.100",
        "1 to 3",
        "0.000",
    ]
    assert table.rows[1].cells[1].best
