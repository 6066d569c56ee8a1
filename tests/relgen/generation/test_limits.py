"""Limits from settings and from labelled samples, and drafts that ran into them."""

from __future__ import annotations

import pytest

from relgen.data.samples import Sample
from relgen.data.tagged_text import parse
from relgen.generation.limits import Limits, exceeded_limits
from relgen.generation.settings import GenerationSettings


def tagged(text: str) -> Sample:
    parsed = parse(text)
    return Sample("s", parsed.text, parsed.head, parsed.tail, "r")


LONG = tagged(
    "<head>The old king of all Spain</head> " + "very " * 70 + "slowly built a <tail>house</tail>."
)
TEN = "one two three four five six seven eight nine ten"
SHORT = tagged("<head>Ann</head> saw <tail>Bo</tail>.")


def limits(*train: Sample, one_sentence: bool = True, **settings: int) -> Limits:
    return Limits.of(GenerationSettings(one_sentence=one_sentence, **settings), train)


def test_they_come_from_the_labelled_samples() -> None:
    assert limits()[:5] == (5, 60, 3, 10, 160)
    assert limits(SHORT)[:5] == (3, 60, 3, 10, 160)
    # 6 words, 70 and 3 between, a house; 5 * 70 characters, " slowly built a " and a space less
    assert limits(SHORT, LONG)[:5] == (3, 80, 6, 73, 366)


def test_given_ones_count_and_are_the_grammars() -> None:
    given = {"min_words": 2, "max_words": 9, "max_entity_words": 1, "max_context_words": 4}
    found = limits(LONG, **given)
    assert found[:4] == (2, 9, 1, 4)
    assert found.for_grammar == {
        "max_entity_words": 1,
        "max_context_words": 4,
        "max_context_chars": 366,
        "max_word_chars": 23,
    }
    # the grammar has seen to it
    assert found.overrun(LONG, one_sentence=True) is None
    # a least number alone moves the most
    assert limits(SHORT, min_words=70)[:2] == (70, 70)


def test_open_ones_are_no_part_of_the_grammar() -> None:
    assert set(limits(SHORT).for_grammar.values()) == {None}
    plain = limits(SHORT, one_sentence=False, max_context_words=4).for_grammar
    assert (plain["max_context_chars"], plain["max_entity_words"]) == (None, 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<head>Ann</head> saw <tail>Bo</tail>.", None),
        (f"{TEN} <head>Ann</head> saw <tail>Bo</tail>.", None),
        (f"{TEN} more <head>Ann</head> saw <tail>Bo</tail>.", "long_context"),
        # a suffix of an entity is no word
        (f"<head>Ann</head>'s {TEN} <tail>Bo</tail>.", None),
        (f"<head>Ann</head>, {TEN} more <tail>Bo</tail>.", "long_context"),
        (f"<head>Ann</head> saw <tail>Bo</tail> {TEN} more.", "long_context"),
        ("<head>A b c d</head> saw <tail>Bo</tail>.", "long_head"),
        ("<head>Ann</head> saw <tail>A b c d</tail>.", "long_tail"),
        (f"<head>Ann</head> saw {'glued' * 8} <tail>Bo</tail>.", "long_word"),
        (f"<head>Ann</head> saw {'glued' * 7} <tail>Bo</tail>.", None),
    ],
)
def test_a_draft_that_exceeds_an_open_limit(text: str, reason: str | None) -> None:
    assert limits(SHORT).overrun(tagged(text), one_sentence=True) == reason


def test_characters_count_without_one_sentence() -> None:
    fits, long = (tagged(f"{'x' * n}<head>A</head><tail>B</tail>") for n in (160, 161))
    found = limits(SHORT, one_sentence=False)
    assert found.overrun(fits, one_sentence=False) is None
    assert found.overrun(long, one_sentence=False) == "long_context"


def test_given_limits_that_labelled_samples_exceed() -> None:
    def exceeded(**given: int | bool) -> dict[str, tuple[int, ...]]:
        found = exceeded_limits(GenerationSettings(**given), [SHORT, LONG])
        return {name: tuple(of.values()) for name, of in found.items()}

    # limit, above it, labelled, longest
    assert exceeded(one_sentence=True) == {}
    words = {"max_words": 80, "max_entity_words": 5, "max_context_words": 72}
    assert exceeded(one_sentence=True, max_entity_chars=24, **words) == {
        "max_entity_chars": (24, 1, 2, 25),
        "max_entity_words": (5, 1, 2, 6),
        "max_context_words": (72, 1, 2, 73),
    }
    # limits that no grammar enforces cut nothing
    assert exceeded(max_context_chars=100, **words) == {"max_context_chars": (100, 1, 2, 366)}
    assert exceeded(grammar=False, max_context_chars=100, max_words=79) == {
        "max_words": (79, 1, 2, 80)
    }
