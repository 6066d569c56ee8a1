"""Text measures against values worked out by hand, and self-BLEU against torchmetrics."""

from __future__ import annotations

import math
import random

import pytest
from torchmetrics.functional.text import bleu_score

from relgen.data.samples import Entity, Sample
from relgen.data.text import words
from relgen.evaluation.diversity import text
from relgen.evaluation.diversity.function_words import function_words

pytestmark = pytest.mark.compute


@pytest.mark.parametrize(("head", "tail"), [((0, 4), (12, 17)), ((12, 17), (0, 4))])
def test_masked_replaces_both_entities_in_either_order(
    head: tuple[int, int], tail: tuple[int, int]
) -> None:
    sample = Sample("1", "fire caused smoke.", Entity(*head), Entity(*tail), "r")
    assert text.masked(sample) == "something caused something."


def test_overlapping_entities_are_masked_once() -> None:
    sample = Sample("1", "the University of Bern.", Entity(4, 22), Entity(18, 22), "r")
    assert text.masked(sample) == "the something."
    assert text.phrasing(sample) == "head-tail: "


def test_phrasing_tells_the_order_of_the_entities() -> None:
    forward = Sample("1", "fire caused smoke.", Entity(0, 4), Entity(12, 17), "r")
    backward = Sample("2", "fire caused smoke.", Entity(12, 17), Entity(0, 4), "r")
    assert text.phrasing(forward) == "head-tail: caused"
    assert text.phrasing(backward) == "tail-head: caused"


@pytest.mark.parametrize(("order", "expected"), [(1, 4 / 6), (2, 3 / 4), (3, 1.0), (4, None)])
def test_distinct(order: int, expected: float | None) -> None:
    # 1: a b c d of a b c a b d; 2: ab bc bd of ab bc ab bd; 3: abc abd
    assert text.distinct([["a", "b", "c"], ["a", "b", "d"]], order) == expected


def test_word_repetition_counts_content_words_shared_between_sentences() -> None:
    sentences = [
        words("The fire caused the smoke"),
        words("Rain caused a flood, a flood"),
    ]
    # content words: fire caused smoke | rain caused flood flood; only `caused` is in both
    assert text.word_repetition(sentences, function_words("en")) == pytest.approx(2 / 7)
    # with the, a: 5 + 6 words, of which `caused` and nothing else is in both
    assert text.word_repetition(sentences, ()) == pytest.approx(2 / 11)


def test_values_that_one_sentence_does_not_have() -> None:
    assert text.word_repetition([["fire"]], ()) is None
    assert text.self_bleu([["fire"]]) is None
    assert text.word_repetition([["the"], ["of"]], function_words("en")) is None


def test_self_bleu_of_copies_is_one_and_of_strangers_zero() -> None:
    assert text.self_bleu([list("abcde")] * 3) == pytest.approx(1.0)
    assert text.self_bleu([list("abcde"), list("vwxyz")]) == 0.0


def test_self_bleu_by_hand() -> None:
    # each sentence shares a b c with the other: 3/4 words, 2/3 pairs, 1/2 triples, 0.1/1 (none)
    expected = (3 / 4 * 2 / 3 * 1 / 2 * 0.1) ** 0.25
    assert text.self_bleu([list("abcd"), list("abce")]) == pytest.approx(expected)


def test_self_bleu_penalises_brevity_against_the_nearest_length() -> None:
    # a b c d e against a b c d e f, and the reverse
    short = math.exp(1 - 6 / 5)
    long = (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25
    assert text.self_bleu([list("abcde"), list("abcdef")]) == pytest.approx((short + long) / 2)


def test_self_bleu_equals_torchmetrics_where_no_count_is_zero() -> None:
    joined = [
        "the cat sat on the mat today",
        "the cat sat on the mat and slept",
        "today the cat sat on the red mat",
        "the cat sat on the the mat",
    ]
    each = [
        bleu_score([one], [[other for other in joined if other != one]]).item() for one in joined
    ]
    assert min(each) > 0
    assert text.self_bleu([one.split() for one in joined]) == pytest.approx(
        sum(each) / len(each), rel=1e-5
    )


def test_distinct_and_repetition_in_one_pass_are_those_of_the_whole_list() -> None:
    rng = random.Random(1)
    sentences = [
        rng.choices(["the", "fire", "rain", "smoke", "a", "b", "c"], k=6) for _ in range(40)
    ]
    grams = [tuple(s[i : i + 2]) for s in sentences for i in range(5)]
    assert text.distinct(iter(sentences), 2) == len(set(grams)) / len(grams)
    known = function_words("en")
    content = [[w for w in s if w not in known] for s in sentences]
    shared = [w for s in content for w in s if sum(w in other for other in content) > 1]
    expected = len(shared) / sum(map(len, content))
    assert text.word_repetition(iter(sentences), known) == expected
