"""`relgen generate`: the lines that sum up a generation."""

from __future__ import annotations

from typing import Any

from relgen.cli.commands.generate import describe_summary


def entry(accepted: int, drafts: int, **rejected: int) -> dict[str, Any]:
    return {
        "wanted": 4,
        "accepted": accepted,
        "drafts": drafts,
        "rejected": rejected,
        "tokens": 10 * drafts,
    }


def summary(**relations: dict[str, Any]) -> dict[str, Any]:
    return {
        "relations": relations,
        "accepted": sum(each["accepted"] for each in relations.values()),
        "rejected": {"no_head": 1, "duplicate": 3, "test_leak": 3},
        "tokens": 300,
        "seconds": 2.0,
    }


def test_reasons_are_sorted_by_their_count() -> None:
    line = describe_summary(summary(a=entry(4, 4), b=entry(2, 7, duplicate=3)))
    assert line == (
        "6 of 8 samples; rejected: 3 duplicate, 3 test_leak, 1 no_head; "
        "300 tokens in 2 s (150 a second)"
    )


def test_a_server_adds_answers_and_cost() -> None:
    usage = {"answers": 9, "unusable_answers": 2, "prompt_tokens": 700, "cost": 0.25}
    line = describe_summary({**summary(a=entry(4, 4)), "rejected": {}, "usage": usage})
    assert line == (
        "4 of 4 samples; rejected: none; 300 tokens in 2 s (150 a second); "
        "9 answers, 2 unusable, 700 tokens read, cost 0.25"
    )
    free = {**usage, "unusable_answers": 0, "cost": 0}
    assert describe_summary({**summary(), "usage": free}).endswith("; 9 answers, 700 tokens read")
