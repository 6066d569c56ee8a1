"""The paper's figures, digit by digit."""

import pytest

from relgen.reporting.published import published_figures, published_table

TABLE = {
    "human only": ["22.07", "30.00", "44.77", "61.39"],
    "generated only (OBO + DPO)": ["22.48", "27.99", "34.77", "42.02"],
    "mix, OBO": ["33.48", "34.93", "57.41", "67.92"],
    "mix, AAO": ["34.30", "35.56", "56.01", "70.32"],
    "Direct-RE": ["21.17", "–", "33.30", "25.55"],
}


def test_every_figure() -> None:
    found: dict[str, list[str]] = {name: [] for name in TABLE}
    for corpus in ("tacred", "retacred", "semeval"):
        table = published_table(corpus)
        assert table is not None
        for row in table.rows:
            found[row.name] += [cell.text for cell in row.cells]
    assert found == TABLE


def test_our_arms_beside_them() -> None:
    assert published_figures("retacred", 8) == {
        "human": ("human only", "44.77"),
        "obo_dpo_pure": ("generated only (OBO + DPO)", "34.77"),
        "obo_dpo_mix": ("mix, OBO", "57.41"),
        "aao_dpo_mix": ("mix, AAO", "56.01"),
        "direct": ("Direct-RE", "33.30"),
    }
    assert published_figures("semeval", 16) == published_figures("everyday", 8) == {}


@pytest.mark.parametrize("name", ["semeval", "SemEval-2010 Task 8"])
def test_published_figures_of_a_corpus_that_the_paper_covers(name: str) -> None:
    table = published_table(name)
    assert table is not None
    assert table.columns == ["Published", "SemEval, K = 8"]
    assert [row.cells[0].text for row in table.rows] == [
        "61.39",
        "42.02",
        "67.92",
        "70.32",
        "25.55",
    ]


def test_no_published_figures_for_other_corpora() -> None:
    assert published_table("everyday") is None
    assert published_table({"train": "a.jsonl"}) is None
