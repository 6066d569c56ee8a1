"""What virtual words start as, in words and in numbers."""

import pytest
import torch

from relgen.classifiers.knowprompt_words import (
    Part,
    answer_parts,
    label_words,
    mixture,
    released_answer_parts,
    released_type_parts,
    type_parts,
)
from tests.relgen.classifiers.tiny_encoder import SCHEMA
from tests.relgen.classifiers.tiny_masked import TYPED, tokenizer


def words(parts, tokens):
    """Parts with their tokens as text."""
    return [(part.weight, " ".join(tokens.convert_ids_to_tokens(part.ids))) for part in parts]


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
    ],
)
def test_words_of_labels(label, expected):
    assert label_words(label) == expected


def test_answer_words_of_both_modes():
    tokens = tokenizer()
    fixed = [words(parts, tokens) for parts in answer_parts(tokens, TYPED)]
    assert fixed == [
        [(1.0, "cause effect")],
        [(1.0, "cause effect reversed")],
        [(1.0, "founded [UNK]")],
        [(1.0, "[UNK] in")],
        [(1.0, "no relation")],
    ]
    # padded with id 0 to the longest, three tokens; no direction; the hyphen stays
    released = [words(parts, tokens) for parts in released_answer_parts(tokens, TYPED)]
    assert released == [
        [(1.0, "cause - effect")],
        [(1.0, "cause - effect")],
        [(1.0, "founded [UNK] [PAD]")],
        [(1.0, "[UNK] in [PAD]")],
        [(1.0, "no relation [PAD]")],
    ]


def test_type_words_weigh_what_relations_allow():
    tokens = tokenizer()
    assert words(type_parts(tokens, TYPED, "head"), tokens) == [
        (1.0, "organization"),
        (1.0, "person"),
    ]
    assert words(type_parts(tokens, TYPED, "tail"), tokens) == [
        (1.0, "person"),
        (1.0, "location"),
        (1.0, "country"),
    ]


def test_type_words_without_types_are_neutral():
    tokens = tokenizer()
    expected = ["person", "organization", "location", "date", "country"]
    for role in ("head", "tail"):
        assert words(type_parts(tokens, SCHEMA, role), tokens) == [(1.0, x) for x in expected]
        # the released code looks at no schema
        shared = words(released_type_parts(tokens, TYPED, role), tokens)
        assert shared == [(1.0, x) for x in expected]


def test_a_mixture_is_the_weighted_mean_of_means():
    embeddings = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 6.0], [3.0, 3.0]])
    mixed = mixture(embeddings, [Part(2.0, [1]), Part(1.0, [2, 3])])
    # (2 * (3, 0) + 1 * (1.5, 4.5)) / 3
    assert mixed.tolist() == [2.5, 1.5]
