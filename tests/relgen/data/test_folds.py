"""The parts of cross-validation."""

from relgen.data.folds import fold_of_rows


def test_each_relation_is_dealt_to_the_folds_in_turn():
    assert fold_of_rows(["a", "b", "a", "b", "a", "a"], list("uvwxyz"), 3) == [0, 1, 1, 2, 2, 0]


def test_a_sentence_is_in_one_fold():
    texts = ["One.", "two", "one", "Three", "four"]
    assert fold_of_rows(list("aabbb"), texts, 2) == [0, 1, 0, 0, 1]


def test_the_only_sentence_of_a_relation_is_trained_on():
    assert fold_of_rows(["a", "b", "b", "b"], ["u", "v", "w", "V"], 2) == [None, 1, 0, 1]
    assert fold_of_rows(["a", "a"], ["u", "u"], 2) == [None, None]


def test_the_only_sentence_of_a_relation_is_held_out_under_no_other():
    assert fold_of_rows(list("abbb"), ["u", "U", "v", "w"], 2) == [None, None, 1, 0]
