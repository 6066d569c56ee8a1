"""The parts of cross-validation."""

from relgen.data.folds import fold_of_rows


def test_each_relation_is_dealt_to_the_folds_in_turn():
    assert fold_of_rows(["a", "b", "a", "b", "a", "a"], range(6), 3) == [0, 1, 1, 2, 2, 0]


def test_a_unit_is_in_one_fold():
    assert fold_of_rows(list("aabbb"), [0, 1, 0, 3, 4], 2) == [0, 1, 0, 0, 1]


def test_the_only_unit_of_a_relation_is_trained_on():
    assert fold_of_rows(["a", "b", "b", "b"], [0, 1, 2, 1], 2) == [None, 1, 0, 1]
    assert fold_of_rows(["a", "a"], [0, 0], 2) == [None, None]


def test_the_only_unit_of_a_relation_is_held_out_under_no_other():
    assert fold_of_rows(list("abbb"), [0, 0, 2, 3], 2) == [None, None, 1, 0]
