"""Which samples share a sentence, where texts are of one sentence or of several."""

import pytest

from relgen.data.samples import Entity
from relgen.data.shared_sentences import Sentences, joined_rows, repeated_rows

FIRST, SECOND = "Olu founded Kite.", "Its owner is Bell."


def _row(text: str, *mentions: str) -> Sentences:
    places = [text.index(mention) for mention in mentions]
    ends = zip(places, mentions, strict=True)
    return Sentences.of(text, *(Entity(at, at + len(words)) for at, words in ends))


@pytest.mark.parametrize(
    ("other", "shares"),
    [
        (_row("olu  founded KITE!", "olu", "KITE"), True),
        (_row(SECOND, "owner", "Bell"), True),
        (_row(f"{SECOND} It grew.", "Bell", "It"), True),
        (_row("Ann founded Kite.", "Ann", "Kite"), False),
    ],
)
def test_a_text_of_two_sentences_shares_either(other, shares):
    both = _row(f"{FIRST} {SECOND}", "Kite", "Bell")
    assert repeated_rows([both], [other]) == repeated_rows([other], [both]) == [0] * shares


def test_a_sentence_without_entities_of_either_is_not_shared():
    samples = [_row(f"{name} sells. Prices vary. It grew.", name, "It") for name in ("Kite", "Bo")]
    notes = [_row(f"Results:\n{name} sells to Ann.", name, "Ann") for name in ("Kite", "Bo")]
    assert joined_rows([*samples[:1], *notes]) == [0, 1, 2]
    # but one with an entity of one of the two is
    assert joined_rows([samples[0], _row("Prices vary.", "Prices", "vary")]) == [0, 0]


def test_a_line_break_inside_a_sentence_hides_nothing():
    wrapped = _row("Olu founded Kite\nand Bell.", "Olu", "Bell")
    assert repeated_rows([wrapped], [_row("Olu founded Kite and Bell.", "Olu", "Kite")]) == [0]


def test_rows_are_joined_through_others():
    third = "He lives in Kano."
    rows = [
        _row(FIRST, "Olu", "Kite"),
        _row("Ann left.", "Ann", "left"),
        _row(f"{SECOND} {third}", "Bell", "Kano"),
        _row(f"{FIRST} {SECOND}", "Olu", "Bell"),
        _row(third, "He", "Kano"),
    ]
    assert joined_rows(rows) == [0, 1, 0, 0, 0]


def test_a_long_chain_is_one_unit():
    rows = [_row(f"Kite {n} grew. Ann {n + 1} left.", "Kite", "Ann") for n in range(3000)]
    rows += [_row(f"Ann {n} left. Kite {n} grew.", "Ann", "Kite") for n in range(3000)]
    assert set(joined_rows(rows)) == {0}
