"""The paper's figures, digit by digit."""

from relgen.reporting.published import published_figures

ARMS = {
    "human": "human only",
    "obo_dpo_pure": "generated only (OBO + DPO)",
    "obo_dpo_mix": "mix, OBO",
    "aao_dpo_mix": "mix, AAO",
    "direct": "Direct-RE",
}
TABLE = {
    ("tacred", 8): ["22.07", "22.48", "33.48", "34.30", "21.17"],
    ("tacred", 16): ["30.00", "27.99", "34.93", "35.56"],
    ("retacred", 8): ["44.77", "34.77", "57.41", "56.01", "33.30"],
    ("semeval", 8): ["61.39", "42.02", "67.92", "70.32", "25.55"],
}


def test_every_figure() -> None:
    for (corpus, shots), figures in TABLE.items():
        expected = zip(ARMS.items(), figures, strict=False)
        found = {arm: (name, figure) for (arm, name), figure in expected}
        assert published_figures(corpus, shots) == found


def test_no_figures_for_other_settings() -> None:
    assert published_figures("semeval", 16) == published_figures("everyday", 8) == {}
