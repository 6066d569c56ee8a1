"""The sentences: gain, loss, one seed, many seeds, and nothing to compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.files import read_json, write_json
from relgen.reporting.data import load_run
from relgen.reporting.findings import compared_arm, headline
from relgen.reporting.report import write_report
from tests.relgen.reporting.fake_run import make_run

pytestmark = pytest.mark.compute


def test_the_compared_arm_follows_the_rule_and_no_score() -> None:
    assert compared_arm(["human", "aao_mix", "obo_dpo_mix"]) == "obo_dpo_mix"
    assert compared_arm(["human", "obo_pure", "aao_mix", "obo_mix"]) == "aao_mix"
    assert compared_arm(["human", "obo_pure"]) == "obo_pure"
    assert compared_arm(["human", "direct"]) is None
    assert compared_arm(["human", "unlabelled_mix"]) == "unlabelled_mix"
    assert compared_arm(["obo_pure", "obo_unlabelled_mix"]) == "obo_unlabelled_mix"


def test_a_gain_over_three_seeds(tmp_path: Path) -> None:
    title, detail = headline(load_run(make_run(tmp_path, files=False)))
    assert title == "Mix 62.8 vs. human 58.6 micro-F1"
    assert detail == (
        "Adding generated samples (one by one, after DPO) gained 4.2 points of micro-F1. It was "
        "ahead of human samples alone in 3 of 3 seeds, and the 95% interval of the paired "
        "difference is +4.2 to +4.2 points; not significant (exact sign-flip test over seeds: "
        "p = 0.25; with 3 seeds, p is at least 0.25)."
    )


def test_a_loss_with_one_seed(tmp_path: Path) -> None:
    run = make_run(
        tmp_path, arms=("human", "aao_mix"), seeds=(1,), micro={"human": 0.5, "aao_mix": 0.49},
        files=False,
    )  # fmt: skip
    title, detail = headline(load_run(run))
    assert title == "Mix 49.0 vs. human 50.0 micro-F1"
    assert detail == (
        "Adding generated samples (all at once) cost 1.0 point of micro-F1. This is one seed, "
        "which cannot show significance."
    )


@pytest.mark.parametrize(
    ("arm", "added"),
    [
        ("unlabelled_mix", "unlabelled sentences as the LLM reads them"),
        (
            "obo_unlabelled_mix",
            "unlabelled sentences as the LLM reads them and generated samples (one by one)",
        ),
    ],
)
def test_a_gain_by_unlabelled_sentences(tmp_path: Path, arm: str, added: str) -> None:
    run = make_run(tmp_path, arms=("human", arm), seeds=(1,), micro={"human": 0.5, arm: 0.6})
    title, detail = headline(load_run(run))
    assert title == "Mix 60.0 vs. human 50.0 micro-F1 on 2,717 test samples"
    assert detail.startswith(f"Adding {added} gained 10.0 points of micro-F1. ")


def test_no_difference(tmp_path: Path) -> None:
    run = make_run(
        tmp_path, arms=("human", "aao_pure"), seeds=(1,), micro={"human": 0.5, "aao_pure": 0.5},
        files=False,
    )  # fmt: skip
    title, detail = headline(load_run(run))
    assert title == "Generated only 50.0 vs. human 50.0 micro-F1"
    assert "made no difference to micro-F1" in detail


def test_six_seeds_can_be_significant(tmp_path: Path) -> None:
    run = make_run(tmp_path, seeds=range(6), files=False)
    _, detail = headline(load_run(run))
    assert "in 6 of 6 seeds, and the 95% interval" in detail
    assert detail.endswith("points (exact sign-flip test over seeds: p = 0.031).")


def test_ensembles_are_set_against_ensembles(tmp_path: Path) -> None:
    folder = make_run(tmp_path, seeds=(1, 2), files=False)
    results = read_json(folder / "results.json")
    votes = {
        ("human", 1): 0.6,
        ("human", 2): 0.6,
        ("obo_dpo_mix", 1): 0.61,
        ("obo_dpo_mix", 2): 0.63,
    }
    for arm in results["arms"]:
        arm["ensemble_micro_f1"] = votes.get((arm["arm"], arm["seed"]))
    write_json(folder / "results.json", results)
    # by hand: 0.02 ± 12.7062 * 0.01414 / √2
    assert headline(load_run(folder))[1].endswith(
        " Between ensembles of the initialisations the difference is +2.0 points (95% interval: "
        "-10.7 to +14.7)."
    )


def test_without_a_baseline_nothing_is_claimed(tmp_path: Path) -> None:
    title, detail = headline(load_run(make_run(tmp_path, arms=("obo_dpo_mix",), files=False)))
    assert title == "obo_dpo_mix 62.8 micro-F1"
    assert detail.startswith("Nothing to compare")


def test_what_was_done(tmp_path: Path) -> None:
    markdown = write_report(make_run(tmp_path))[1].read_text(encoding="utf-8")
    assert (
        "From the corpus semeval, 8 labelled samples for each of 19 relations were drawn, once "
        "for each of 3 seeds. The model smollm2-135m-instruct generated up to 16 new ones per "
        "relation in each of 2 ways: one by one, after DPO; all at once. The classifier "
        "entity_marker was trained on each arm's samples and tested on 2,717 test samples.\n"
    ) in markdown


def test_what_a_review_brought(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    review = {"sentences": 120, "used": 120, "minutes": 16.0}
    review["decisions"] = {"accepted": 90, "rejected": 30}
    row = {"arm": "obo_dpo_mix_reviewed", "than": "obo_dpo_mix", "mean": 0.021}
    results = read_json(folder / "results.json") | {"reviewed": review}
    write_json(folder / "results.json", results | {"against_unreviewed": [row]})
    assert (
        " People reviewed 120 sentences in 16.0 minutes (90 accepted, 30 rejected): in obo_dpo_mix "
        "it gained 2.1 points of micro-F1. The classifier"
    ) in write_report(folder)[1].read_text(encoding="utf-8")
    write_json(folder / "results.json", results | {"reviewed": review | {"minutes": 0.0}})
    assert " People reviewed 120 sentences (90 acc" in write_report(folder)[1].read_text("utf-8")
    # some are of another run
    write_json(folder / "results.json", results | {"reviewed": review | {"used": 3}})
    page = write_report(folder)[1].read_text("utf-8")
    assert "(90 accepted, 30 rejected; 3 of them in this run)" in page
    assert (
        "- review: 117 of 120 reviewed sentences have no effect, because they are not among the "
        "samples of this run; review what it has written and labelled.\n"
    ) in page


def test_relations_with_fewer_shots_are_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    results = read_json(folder / "results.json") | {"fewer_shots": {"Other": 4, "Cause": 2}}
    write_json(folder / "results.json", results)
    markdown = write_report(folder)[1].read_text(encoding="utf-8")
    assert "- Shots per relation: 8 (Other 4, Cause 2)\n" in markdown
    assert "relations were drawn (fewer for Other, Cause, which have no more), once" in markdown


def test_the_headline_says_on_how_many_sentences(tmp_path: Path) -> None:
    title, _ = headline(load_run(make_run(tmp_path)))
    assert title == "Mix 62.8 vs. human 58.6 micro-F1 on 2,717 test samples"
