"""What generating and labelling brought, in words."""

from __future__ import annotations

from typing import Any

import pytest

from relgen.common.presets import find_config
from relgen.common.yaml_files import read_yaml
from relgen.experiments.advice import generation_advice, labelling_advice, run_advice


def entry(accepted: int, drafts: int, **rejected: int) -> dict[str, Any]:
    counts = {"wanted": 4, "accepted": accepted, "drafts": drafts, "tokens": 10 * drafts}
    return {**counts, "rejected": rejected}


def generated(budget: int | None = None, **relations: dict[str, Any]) -> dict[str, Any]:
    return {"relations": relations, "token_budget": budget, "limits": {}}


def labelled(score: float | None = 0.9, **relations: tuple[int, int]) -> dict[str, Any]:
    counts = {
        name: {"intended": intended, "labelled": 9, "agreed": agreed}
        for name, (intended, agreed) in relations.items()
    }
    return {"relations": counts, "train_micro_f1": score, "read_as": {"a": {"b": 1, "c": 5}}}


def test_each_relation_that_stays_short_says_why() -> None:
    duplicates = entry(1, 7, no_head=1, duplicate=5)
    summary = generated(full=entry(4, 4), few=duplicates, less=entry(0, 7, duplicate=2))
    varied = "raise --temperature, show other labelled samples (--chains), or ask for fewer"
    assert [str(one) for one in generation_advice([summary])] == [
        "too few samples of less (0 of 4), few (1 of 4): most rejected drafts are duplicate; "
        + varied,
    ]
    # over two seeds
    both = generation_advice([summary, generated(few=duplicates)])
    assert both[0].problem.startswith("too few samples of less (0 of 4), few (2 of 8): ")


def test_each_cause_has_its_remedy() -> None:
    summary = generated(none=entry(0, 0), cut=entry(2, 9, unfinished=7), odd=entry(3, 9, x=6))
    assert [tuple(one) for one in generation_advice([summary])] == [
        (
            "too few samples of none (0 of 4): without a labelled sample nothing is written",
            "label at least one",
        ),
        (
            "too few samples of cut (2 of 4): most rejected drafts are unfinished",
            "raise --max-new-tokens",
        ),
        (
            "too few samples of odd (3 of 4): most rejected drafts are x",
            "see rejected.jsonl beside the samples; raise --max-drafts-per-sample or change the "
            "model",
        ),
    ]
    spent = generation_advice([generated(budget=90, cut=entry(2, 9, unfinished=7))])
    assert [str(one) for one in spent] == [
        "too few samples of cut (2 of 4): the token budget of 90 is used up; raise --token-budget"
    ]


def test_of_many_relations_the_worst_are_named() -> None:
    many = generated(**{f"r{n}": entry(n % 4, 9, duplicate=1) for n in range(8)})
    assert generation_advice([many])[0].problem.startswith(
        "too few samples of r0 (0 of 4), r4 (0 of 4), r1 (1 of 4), r5 (1 of 4), r2 (2 of 4) and 3 "
        "more: "
    )


def test_limits_below_the_labelled_samples_are_named() -> None:
    found = {"limit": 10, "above": 12, "labelled": 40, "longest": 31}
    summary = {**generated(), "limits": {"max_context_words": found}}
    assert [str(one) for one in generation_advice([summary])] == [
        "max_context_words: 10 cuts what the model writes, while 12 of 40 labelled samples exceed "
        "it (up to 31); raise it, or set it to null if the model ends sentences by itself"
    ]
    rare = {**generated(), "limits": {"max_words": {**found, "above": 3}}}
    assert generation_advice([rare]) == []
    assert "15 of 80" in str(
        generation_advice(
            [summary, {**summary, "limits": {"max_context_words": {**found, "above": 3}}}]
        )[0]
    )


@pytest.mark.parametrize("preset", ["smollm2_obo", "smollm2_aao", "smollm2_xu2023"])
def test_limits_that_the_embedded_model_needs_are_no_fault_of_the_users(preset: str) -> None:
    given = read_yaml(find_config(f"generate/{preset}"))
    counts = {"above": 27, "labelled": 72, "longest": 22}
    names = ("max_context_words", "max_entity_words")
    limits = {name: {"limit": given[name], **counts} for name in names}
    summary = {**generated(), "model": given["model"], "limits": limits}
    assert generation_advice([summary]) == []
    # the same limits are of no use to a larger model, and a lower one cuts more
    assert len(generation_advice([{**summary, "model": "Qwen/Qwen2.5-1.5B-Instruct"}])) == 2
    limits["max_context_words"]["limit"] = 5
    (advice,) = generation_advice([summary])
    assert advice.problem.startswith("max_context_words: 5 cuts what the model writes")


def test_relations_that_few_sentences_are_read_as_are_named() -> None:
    of = labelled(a=(16, 5), b=(16, 6), none=(0, 0), c=(4, 0))
    advice = labelling_advice([of])
    assert [one.problem for one in advice] == [
        "few sentences are read as intended: c (0 of 4), a (5 of 16, mostly as c)"
    ]
    assert labelling_advice([labelled(a=(3, 1))]) == []


def test_a_reader_that_is_often_wrong_is_named() -> None:
    assert [
        str(one) for one in labelling_advice([labelled(0.4), labelled(0.5), labelled(None)])
    ] == [
        "the model that reads is often wrong on the labelled samples themselves (cross-validated "
        "micro-F1 45.0); let a larger model read, or label more samples"
    ]


def test_a_run_gives_advice_on_each_set_once() -> None:
    short, read = generated(few=entry(1, 7, duplicate=5)), labelled(a=(16, 1))
    rows = [
        {"arm": arm, "seed": seed, "generation": made, "labelling": as_read}
        for arm, made, as_read in (
            ("human", None, None),
            ("obo_dpo_pure", short, read),
            ("obo_dpo_mix", short, read),
            ("obo_dpo_mix@2", generated(few=entry(0, 9)), None),
            ("aao_mix", short, None),
        )
        for seed in (1, 2)
    ]
    found = [(name, advice.problem) for name, advice in run_advice({"arms": rows})]
    assert [(name, problem.partition(":")[0]) for name, problem in found] == [
        ("obo_dpo", "too few samples of few (2 of 8)"),
        ("obo_dpo", "few sentences are read as intended"),
        ("aao", "too few samples of few (2 of 8)"),
    ]


def test_a_run_with_the_embedded_model_says_once_what_a_larger_one_brings() -> None:
    rows = [
        {"arm": arm, "seed": 1, "generation": {**generated(full=entry(4, 4)), "model": model}}
        for arm, model in (
            ("aao_mix", "larger"),
            ("obo_mix", "smollm2-135m-instruct"),
            ("obo_dpo_mix", "smollm2-135m-instruct"),
        )
    ]
    ((name, advice),) = run_advice({"arms": rows})
    assert name == "obo"
    assert advice.remedy.startswith("name a larger generator: on SemEval")
    assert run_advice({"arms": rows[:1]}) == []


def test_relations_without_a_test_sample_are_named() -> None:
    results = {"arms": [], "tested": {"a": 3, "b": 0, "c": 0}}
    ((name, advice),) = run_advice(results)
    assert (name, advice.problem) == (
        "test set",
        "no sample of b, c: how well they are found is unknown",
    )
    assert run_advice({"arms": [], "tested": {"a": 3}}) == []
