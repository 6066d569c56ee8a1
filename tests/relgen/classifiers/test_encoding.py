"""Where the markers stand, and what is left of a text that is too long."""

import pytest

from relgen.classifiers.encoding import MarkerEncoding
from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from tests.tiny.encoders import sample, tokenizer

pytestmark = pytest.mark.compute


def read(encoding, encoded):
    return encoding.tokenizer.convert_ids_to_tokens(encoded.input_ids)


@pytest.mark.parametrize(
    ("template", "expected", "positions"),
    [
        (
            "the {h} caused a {t} .",
            "[CLS] the [HEAD] storm [/HEAD] caused a [TAIL] flood [/TAIL] . [SEP]",
            [2, 7],
        ),
        (
            "the {t} caused a {h} .",
            "[CLS] the [TAIL] flood [/TAIL] caused a [HEAD] storm [/HEAD] . [SEP]",
            [7, 2],
        ),
        ("{h} {t}", "[CLS] [HEAD] storm [/HEAD] [TAIL] flood [/TAIL] [SEP]", [1, 4]),
        ("{t}{h}", "[CLS] [TAIL] flood [/TAIL] [HEAD] storm [/HEAD] [SEP]", [4, 1]),
    ],
)
def test_positions_are_those_of_the_opening_markers(template, expected, positions):
    encoding = MarkerEncoding(tokenizer())
    (encoded,) = encoding.encode([sample("x", template, "cause", "storm", "flood")])
    assert read(encoding, encoded) == expected.split()
    assert encoded.positions == positions
    assert not encoded.truncated


def test_markers_of_adjacent_entities_do_not_cross():
    text = "the crane arm"
    for head, tail in ((Entity(4, 9), Entity(10, 13)), (Entity(10, 13), Entity(4, 9))):
        encoding = MarkerEncoding(tokenizer())
        (encoded,) = encoding.encode([Sample("x", text, head, tail, "part")])
        tokens = read(encoding, encoded)
        assert tokens.index("[/HEAD]") == tokens.index("[HEAD]") + 2
        assert tokens.index("[/TAIL]") == tokens.index("[TAIL]") + 2


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        ((4, 9), (4, 14), "the [TAIL] [HEAD] storm [/HEAD] mud [/TAIL] caused"),
        ((10, 13), (4, 13), "the [TAIL] storm [HEAD] mud [/HEAD] [/TAIL] caused"),
        ((4, 9), (4, 9), "the [HEAD] [TAIL] storm [/TAIL] [/HEAD] mud caused"),
        ((4, 13), (10, 20), "the [HEAD] storm [TAIL] mud [/HEAD] caused [/TAIL]"),
    ],
)
def test_markers_of_nested_identical_and_crossing_entities(head, tail, expected):
    sentence = Sample("x", "the storm mud caused", Entity(*head), Entity(*tail), "part")
    encoding = MarkerEncoding(tokenizer())
    (encoded,) = encoding.encode([sentence])
    tokens = read(encoding, encoded)
    assert tokens == f"[CLS] {expected} [SEP]".split()
    assert [tokens[place] for place in encoded.positions] == ["[HEAD]", "[TAIL]"]


def test_markers_and_special_tokens_in_the_text_are_text():
    text = "the [HEAD] storm [SEP] caused mud"
    encoding = MarkerEncoding(tokenizer())
    (encoded,) = encoding.encode([Sample("x", text, Entity(11, 16), Entity(30, 33), "cause")])
    tokens = read(encoding, encoded)
    assert [tokens.count(name) for name in ("[HEAD]", "[TAIL]", "[SEP]")] == [1, 1, 1]
    assert [tokens[place] for place in encoded.positions] == ["[HEAD]", "[TAIL]"]
    assert tokens[-1] == "[SEP]"


def test_typed_markers_for_known_types_only():
    encoding = MarkerEncoding(tokenizer(), types=["PERSON"])
    typed = Sample("x", "ann in bern", Entity(0, 3, "PERSON"), Entity(7, 11, "PLACE"), "none")
    (encoded,) = encoding.encode([typed])
    expected = "[CLS] [HEAD:PERSON] ann [/HEAD] in [TAIL] bern [/TAIL] [SEP]"
    assert read(encoding, encoded) == expected.split()


PUNCTUATION = ("@", "#", "*", "^", "state", "or", "province")


def test_punctuation_as_markers():
    encoding = MarkerEncoding(tokenizer(PUNCTUATION), markers="punctuation")
    (encoded,) = encoding.encode([sample("x", "the {t} caused a {h} .", "cause", "storm", "flood")])
    expected = "[CLS] the # flood # caused a @ storm @ . [SEP]"
    assert read(encoding, encoded) == expected.split()
    assert encoded.positions == [7, 2]
    assert encoding.special_ids == {}
    assert encoding.tokenizer.get_added_vocab() == tokenizer(PUNCTUATION).get_added_vocab()


def test_types_in_words_between_punctuation():
    encoding = MarkerEncoding(
        tokenizer(PUNCTUATION), types=["PERSON", "STATE_OR_PROVINCE"], markers="punctuation"
    )
    typed, unknown = (
        Sample("x", "ann in bern", Entity(0, 3, "PERSON"), Entity(7, 11, kind), "none")
        for kind in ("STATE_OR_PROVINCE", "PLANET")
    )
    encoded = encoding.encode([typed, unknown])
    expected = "[CLS] @ * person * ann @ in # ^ state or province ^ bern # [SEP]"
    assert read(encoding, encoded[0]) == expected.split()
    assert encoded[0].positions == [1, 8]
    expected = "[CLS] @ * person * ann @ in # bern # [SEP]"
    assert read(encoding, encoded[1]) == expected.split()


def test_punctuation_in_the_text_confuses_nothing():
    text = "# storm @ caused mud"
    encoding = MarkerEncoding(tokenizer(PUNCTUATION), markers="punctuation")
    (encoded,) = encoding.encode([Sample("x", text, Entity(2, 7), Entity(17, 20), "cause")])
    expected = "[CLS] # @ storm @ @ caused # mud # [SEP]"
    assert read(encoding, encoded) == expected.split()
    assert encoded.positions == [2, 7]


def test_a_vocabulary_without_the_punctuation_is_refused():
    with pytest.raises(InputError, match=r"lacks @.*special"):
        MarkerEncoding(tokenizer(), markers="punctuation")


def test_a_long_text_keeps_windows_around_both_entities():
    template = "one two three {h} four five six seven eight one two {t} three four five"
    encoding = MarkerEncoding(tokenizer(), max_length=16)
    whole, cut = encoding.encode(
        [
            sample("x", "one two three {h} four {t} five", "none", "storm", "flood"),
            sample("y", template, "none", "storm", "flood"),
        ]
    )
    assert not whole.truncated
    assert cut.truncated
    expected = (
        "[CLS] two three [HEAD] storm [/HEAD] four five one two [TAIL] flood [/TAIL] three four"
    )
    assert read(encoding, cut) == [*expected.split(), "[SEP]"]
    assert cut.positions == [3, 10]


def test_a_length_without_room_is_refused():
    with pytest.raises(InputError, match="at least 16"):
        MarkerEncoding(tokenizer(), max_length=15)


def test_the_key_tells_encodings_apart_and_lasts():
    first = MarkerEncoding(tokenizer())
    before = first.key
    first.encode([sample("x", "{h} {t}", "none", "storm", "flood")])
    assert first.key == before == MarkerEncoding(tokenizer()).key
    assert before != MarkerEncoding(tokenizer(), max_length=64).key
    assert before != MarkerEncoding(tokenizer(), types=["PERSON"]).key
    # also over a tokenizer that holds the special markers already
    shared = tokenizer(PUNCTUATION)
    assert MarkerEncoding(shared).key != MarkerEncoding(shared, markers="punctuation").key
