"""Reading a run's folder: arms by seed, generated sets, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.reporting.data import describe_arm, generation_of, is_part, load_run
from tests.relgen.reporting.fake_run import make_run

pytestmark = pytest.mark.compute


def test_scores_by_seed(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path, seeds=(1, 2)))
    assert run.arm_names == ["human", "obo_dpo_pure", "obo_dpo_mix", "aao_mix"]
    assert run.by_seed("human", "entity_marker") == {1: 0.581, 2: pytest.approx(0.586)}
    assert run.by_seed("human", "knowprompt") == {}
    assert (run.shots, run.classifiers) == (8, ["entity_marker"])
    assert run.generator == {"model": "smollm2-135m-instruct", "samples": 16}


def test_each_generated_set_is_yielded_once_a_seed(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path, seeds=(1, 2)))
    found = [(name, arm.arm, arm.seed) for name, arm in run.sets()]
    assert found == [
        *(("human", "human", seed) for seed in (1, 2)),
        *(("obo_dpo", "obo_dpo_pure", seed) for seed in (1, 2)),
        *(("aao", "aao_mix", seed) for seed in (1, 2)),
    ]


def test_missing_files_are_named_once(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path, files=False))
    assert run.rows("gone.jsonl") == run.rows("gone.jsonl") == []
    assert run.jsons("gone.json") == []
    assert run.missing == ["gone.jsonl", "gone.json"]


def test_malformed_lines_are_left_out(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path, files=False))
    (tmp_path / "drafts.jsonl").write_text('{"a": 1}\n{"a":\n{"a": 2}\n')
    assert run.rows("drafts.jsonl") == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("arm", "generated", "words"),
    [
        ("human", None, "human samples only"),
        ("direct", None, "the LLM asked for the relation"),
        ("obo_dpo_mix", "obo_dpo", "human and generated: one by one, after DPO"),
        ("aao_pure", "aao", "generated only: all at once"),
        ("reader", None, "the LLM's reading of the test sentences"),
        ("unlabelled_mix", None, "human and unlabelled sentences"),
        (
            "obo_dpo_unlabelled_mix",
            "obo_dpo",
            "human, unlabelled and generated: one by one, after DPO",
        ),
        (
            "obo_dpo_mix@16",
            "obo_dpo@16",
            "human and generated: one by one, after DPO, the first 16 of each relation",
        ),
    ],
)
def test_an_arm_in_words(arm: str, generated: str | None, words: str) -> None:
    assert (generation_of(arm), describe_arm(arm), is_part(arm)) == (generated, words, "@" in arm)
