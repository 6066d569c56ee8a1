"""The sentence and its prompt, token by token, and what is left of a text that is too long."""

import pytest

from relgen.classifiers.knowprompt_encoding import PromptEncoding, label_words, type_counts
from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation, RelationSchema
from tests.tiny.encoders import SCHEMA, TYPED, sample
from tests.tiny.encoders import pair_tokenizer as tokenizer

pytestmark = pytest.mark.compute

CAUSE = sample("x", "the {h} caused a {t} .", "cause", "storm", "flood")


def encoding(family="bert", **options):
    return PromptEncoding(tokenizer(family), relations=3, **options)


def read(built, encoded):
    return built.tokenizer.convert_ids_to_tokens(encoded.input_ids)


@pytest.mark.parametrize(
    ("family", "expected", "positions"),
    [
        (
            "bert",
            "[CLS] the storm caused a flood . [SEP] "
            "[sub] storm [sub] [MASK] [obj] flood [obj] [SEP]",
            [11, 8, 10, 12, 14],
        ),
        (
            "roberta",
            "[CLS] the storm caused a flood . [SEP] [SEP] "
            "[sub] storm [sub] [MASK] [obj] flood [obj] [SEP]",
            [12, 9, 11, 13, 15],
        ),
    ],
)
def test_the_prompt_follows_the_sentence(family, expected, positions):
    built = encoding(family)
    (encoded,) = built.encode([CAUSE])
    assert read(built, encoded) == expected.split()
    assert encoded.positions == positions
    assert not encoded.truncated


def test_the_head_comes_first_in_the_prompt_wherever_it_stands_in_the_sentence():
    built = encoding()
    (encoded,) = built.encode([sample("x", "a {t} near the {h}", "none", "power cut", "house")])
    expected = "[CLS] a house near the power cut [SEP] "
    expected += "[sub] power cut [sub] [MASK] [obj] house [obj] [SEP]"
    assert read(built, encoded) == expected.split()
    assert encoded.positions == [12, 8, 11, 13, 15]


def test_virtual_words_and_special_tokens_in_the_text_are_text():
    text = "the [MASK] [sub] storm [SEP] caused mud"
    built = encoding()
    (encoded,) = built.encode([Sample("x", text, Entity(17, 22), Entity(36, 39), "cause")])
    tokens = read(built, encoded)
    assert [tokens.count(name) for name in ("[MASK]", "[sub]", "[obj]", "[SEP]")] == [1, 2, 2, 2]
    assert [tokens[place] for place in encoded.positions] == [
        "[MASK]",
        "[sub]",
        "[sub]",
        "[obj]",
        "[obj]",
    ]


def test_a_long_sentence_is_cut_around_its_entities_and_the_prompt_stays():
    template = "one two three {h} four five six seven eight one two {t} three four five"
    built = encoding(max_length=18)
    whole, cut = built.encode(
        [CAUSE, sample("y", template, "none", "storm", "flood")],
    )
    assert not whole.truncated
    assert cut.truncated
    expected = "[CLS] two three storm four five two flood three [SEP] "
    expected += "[sub] storm [sub] [MASK] [obj] flood [obj] [SEP]"
    assert read(built, cut) == expected.split()
    assert cut.positions == [13, 10, 12, 14, 16]


def test_long_mentions_leave_room_for_the_sentence():
    head, tail = " ".join(["mud"] * 30), " ".join(["rain"] * 30)
    built = encoding(max_length=24)
    (encoded,) = built.encode([sample("x", "the {h} near {t}", "none", head, tail)])
    tokens = read(built, encoded)
    assert len(tokens) == 24
    # 24 - 8 = 16 tokens of room, a quarter of it for each mention
    expected = "[sub] mud mud mud mud [sub] [MASK] [obj] rain rain rain rain [obj] [SEP]"
    assert tokens[10:] == expected.split()
    assert [tokens[place] for place in encoded.positions] == [
        "[MASK]",
        "[sub]",
        "[sub]",
        "[obj]",
        "[obj]",
    ]
    sentence = "[CLS] mud mud mud mud rain rain rain rain [SEP]"
    assert tokens[:10] == sentence.split()
    assert encoded.truncated


@pytest.mark.parametrize("length", [16, 17, 20, 33, 60])
def test_no_input_is_too_long(length):
    built = encoding("roberta", max_length=length)
    for head, tail in (
        ("mud", "rain"),
        ("mud " * 9 + "mud", "rain"),
        ("mud", "rain " * 40 + "mud"),
    ):
        template = "one two {h} three four five {t} " + "six " * 20
        (encoded,) = built.encode([sample("x", template, "none", head, tail)])
        tokens = read(built, encoded)
        assert len(tokens) <= length
        assert tokens[encoded.positions[0]] == "[MASK]"
        assert tokens[encoded.positions[4]] == "[obj]"


def test_bad_settings_are_named():
    with pytest.raises(InputError, match="at least 16"):
        encoding(max_length=15)
    without = tokenizer()
    without.mask_token = None
    with pytest.raises(InputError, match=r"no mask token.*roberta-large"):
        PromptEncoding(without, relations=3)


def test_the_key_tells_encodings_apart_and_lasts():
    first = encoding()
    before = first.key
    first.encode([CAUSE])
    assert first.key == before == encoding().key
    assert before != encoding(max_length=64).key
    assert before != PromptEncoding(tokenizer(), relations=4).key


def test_nothing_gives_nothing():
    assert encoding().encode([]) == []


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Cause-Effect(e1,e2)", "cause effect"),
        ("Cause-Effect(e2,e1)", "cause effect reversed"),
        ("founded_by", "founded by"),
        ("per:stateorprovince_of_birth", "person stateorprovince of birth"),
        ("org:top_members/employees", "organization top members employees"),
        ("no_relation", "no relation"),
        ("NA", "no relation"),
        ("Other", "other"),
        ("placeOfBirth", "place of birth"),
        ("P131", "p131"),
        ("???", "???"),
        ("जन्म_स्थान", "जन्म स्थान"),
        ("夫妻", "夫妻"),
    ],
)
def test_words_of_labels(label, expected):
    assert label_words(label) == expected


def test_types_count_as_often_as_relations_allow_them():
    assert type_counts(TYPED, "head") == {"organization": 1, "person": 1}
    assert type_counts(TYPED, "tail") == {"person": 1, "location": 1, "country": 1}
    twice = RelationSchema(
        "s", (Relation("a", "x", ("CITY_STATE", "P")), Relation("b", "x", ("P", "P")))
    )
    assert type_counts(twice, "head") == {"city state": 1, "p": 2}


def test_without_types_in_the_schema_neutral_ones_count():
    neutral = ("person", "organization", "location", "date", "country")
    for role in ("head", "tail"):
        assert type_counts(SCHEMA, role) == dict.fromkeys(neutral, 1)
