"""The trie of answers, and the ways of choosing one, on numbers worked out by hand."""

import math

import pytest
import torch

from relgen.direct.answers import (
    allowed_probabilities,
    build_trie,
    decode_greedily,
    find_label,
    mean_log_likelihoods,
)

# three names: 7 8 9, 7 8 5 and 4 9
TRIE = build_trie([[7, 8, 9], [7, 8, 5], [4, 9]])
LOGS = torch.tensor([0.5, 0.8, 0.25, 0.5, 0.4, 0.1]).log()


def test_common_beginnings_stand_once() -> None:
    assert TRIE.ids.tolist() == [7, 8, 9, 5, 4, 9]
    assert TRIE.parents.tolist() == [-1, 0, 1, 1, -1, 4]
    assert TRIE.depths.tolist() == [0, 1, 2, 2, 0, 1]
    assert TRIE.paths == ((0, 1, 2), (0, 1, 3), (4, 5))


def test_a_token_sees_itself_and_those_before_it() -> None:
    assert TRIE.visible().int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1, 1],
    ]


def test_mean_log_likelihoods() -> None:
    expected = [math.log(0.5 * 0.8 * 0.25) / 3, math.log(0.5 * 0.8 * 0.5) / 3, math.log(0.04) / 2]
    assert mean_log_likelihoods(TRIE, LOGS).tolist() == pytest.approx(expected)
    assert mean_log_likelihoods(TRIE, LOGS.expand(2, -1)).shape == (2, 3)


def test_greedy_decoding_takes_the_best_allowed_token_at_each_step() -> None:
    assert decode_greedily(TRIE, LOGS) == 1
    other = torch.tensor([0.2, 0.9, 0.9, 0.1, 0.3, 0.01]).log()
    # 4 wins the first step, though 7 8 9 is the likelier whole
    assert decode_greedily(TRIE, other) == 2
    assert int(allowed_probabilities(TRIE, other).argmax()) == 2


def test_what_is_allowed_shares_the_probability() -> None:
    first, then = 0.5 / 0.9, 0.25 / 0.75
    assert allowed_probabilities(TRIE, LOGS).tolist() == pytest.approx(
        [first * then, first * (1 - then), 1 - first]
    )


@pytest.mark.parametrize("answers", [[[1], []], [[1, 2], [1, 2]]])
def test_answers_that_cannot_be_told_apart(answers: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="must differ"):
        build_trie(answers)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("founded_by", "founded_by"),
        (' "Founded_By".\nBecause …', "founded_by"),
        ("**no_relation**", "no_relation"),
        ("founded by", None),
        ("founded_by and more", None),
        ("", None),
    ],
)
def test_free_answers(text: str, label: str | None) -> None:
    assert find_label(text, ["founded_by", "no_relation"]) == label
