"""Verdicts on the method's expectations."""

from __future__ import annotations

from relgen.reporting.claims import Verdict, verdicts
from relgen.reporting.data import Run


def test_claims_are_judged_by_their_intervals(runs: dict[str, Run]) -> None:
    def both(arm: str) -> list[str]:
        return [f"{arm} with entity_marker in {name}" for name in ("semeval-k8", "semeval-k16")]

    mixes = both("obo_dpo_mix")
    assert verdicts(runs) == [
        Verdict("Human and generated samples beat human ones", mixes[:1], mixes[1:], 0),
        Verdict("DPO helps", [], [], 2),
        Verdict("A window of demonstrations hurts", both("obo_dpo_window_mix"), [], 0),
        Verdict("The method beats Xu et al. 2023", both("xu2023"), [], 0),
    ]


def test_a_claim_has_to_be_outside_of_both_intervals(runs: dict[str, Run]) -> None:
    (found,) = runs["semeval-k8"].results["against_human"]
    found |= {"low": -0.01, "high": 0.09}
    runs["semeval-k16"].results["against_human"] = []
    assert verdicts(runs)[0] == Verdict("Human and generated samples beat human ones", [], [], 1)


def test_the_same_comparison_counts_once_and_that_of_one_seed_not_at_all(
    runs: dict[str, Run],
) -> None:
    run = runs["semeval-k8"]
    # the ablations' run holds the main run's arms again
    again = {"semeval-k8": run, "semeval-k8-ablations": run}
    assert verdicts(again) == verdicts({"semeval-k8": run})
    for key in ("against_human", "against_no_dpo", "against_method"):
        for found in run.results[key]:
            found["n_seeds"] = 1
    assert verdicts({"semeval-k8": run}) == []
