"""The trie of answers, and the ways of choosing one, on numbers worked out by hand."""

import math

import pytest
import torch

from relgen.data.schema import Relation, RelationSchema
from relgen.evaluation.direct.answers import (
    build_trie,
    find_label,
    greedy_answer,
    mean_log_likelihoods,
)

# three names: 7 8 9, 7 8 5 and 4 9
TRIE = build_trie([[7, 8, 9], [7, 8, 5], [4, 9]])
LOGS = torch.tensor([0.5, 0.8, 0.25, 0.5, 0.4, 0.1]).log()


def test_common_beginnings_stand_once() -> None:
    assert TRIE.ids.tolist() == [7, 8, 9, 5, 4, 9]
    assert TRIE.parents.tolist() == [-1, 0, 1, 1, -1, 4]
    assert TRIE.paths == ((0, 1, 2), (0, 1, 3), (4, 5))


def test_mean_log_likelihoods() -> None:
    expected = [math.log(0.5 * 0.8 * 0.25) / 3, math.log(0.5 * 0.8 * 0.5) / 3, math.log(0.04) / 2]
    assert mean_log_likelihoods(TRIE, LOGS).tolist() == pytest.approx(expected)
    assert mean_log_likelihoods(TRIE, LOGS.expand(2, -1)).shape == (2, 3)


def test_greedy_decoding_takes_the_best_token_at_each_choice() -> None:
    # 7 8 9 and 7 8 5 are less likely on the mean than 4 9
    logs = torch.tensor([0.5, 0.8, 0.25, 0.5, 0.4, 0.9]).log()
    assert mean_log_likelihoods(TRIE, logs).argmax() == 2
    first, then = 0.5 / 0.9, 0.25 / 0.75
    answer, probabilities = greedy_answer(TRIE, logs)
    assert answer == 1
    # 8 follows 7 in every answer: it is no choice
    assert probabilities == pytest.approx([first * then, first * (1 - then), 1 - first])


def test_a_branch_that_is_not_taken_shares_its_probability() -> None:
    logs = torch.tensor([0.25, 0.8, 0.9, 0.1, 0.75, 0.1]).log()
    answer, probabilities = greedy_answer(TRIE, logs)
    assert (answer, probabilities) == (2, pytest.approx([0.125, 0.125, 0.75]))


def test_what_all_answers_begin_with_is_certain() -> None:
    trie = build_trie([[1, 2, 3], [1, 2, 4]])
    logs = torch.tensor([0.01, 0.01, 0.1, 0.3]).log()
    assert greedy_answer(trie, logs) == (1, pytest.approx([0.25, 0.75]))
    assert greedy_answer(build_trie([[1, 2]]), torch.tensor([-9.0, -9.0])) == (0, [1.0])


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
        ("The relation is: founded_by.", "founded_by"),
        ("founded_by, not no_relation", None),
        ("founded_by_someone", None),
        ("", None),
    ],
)
def test_free_answers(text: str, label: str | None) -> None:
    relations = (Relation("founded_by", "x"), Relation("no_relation", "y"))
    assert find_label(text, RelationSchema("s", relations)) == label


def test_a_relation_is_named_by_its_title() -> None:
    relations = (Relation("P177", "x", title="crosses"), Relation("P2", "y", title="spouse"))
    schema = RelationSchema("s", relations)
    assert find_label("Crosses.", schema) == "P177"
    assert find_label("P177", schema) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("夫妻。", "夫妻"),
        ("「师生」", "师生"),
        ("头实体和尾实体是夫妻关系。", "夫妻"),
        ("不是夫妻，也不是师生", None),
        ("그들은 부부입니다.", "부부"),
        ("fiance\u0301", "fianc\u00e9"),
    ],
)
def test_free_answers_in_other_scripts(text: str, label: str | None) -> None:
    relations = [Relation(name, "x") for name in ("夫妻", "师生", "부부", "fianc\u00e9")]
    assert find_label(text, RelationSchema("s", tuple(relations))) == label


def test_a_title_within_a_longer_one_is_not_named() -> None:
    relations = (Relation("a", "x", title="part of"), Relation("b", "y", title="not part of"))
    schema = RelationSchema("s", relations)
    assert find_label("It is not part of it.", schema) == "b"
    assert find_label("It is part of it.", schema) == "a"
