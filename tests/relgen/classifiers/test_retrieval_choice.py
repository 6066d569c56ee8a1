"""How λ, k and T are chosen."""

import torch

from relgen.classifiers.datastore import Retrieval
from relgen.classifiers.retrieval_choice import COMBINATIONS, PUBLISHED, Given, choose
from relgen.classifiers.retrieval_scores import Neighbours
from tests.relgen.classifiers.tiny_encoder import SCHEMA

# two samples: the language model finds the second's relation only
LOGITS = torch.tensor([[1.0, 2.0, 0.0], [0.0, 2.0, 0.0]])
LABELS = torch.tensor([0, 1])
# the first's nearest neighbour is right, and its two next ones are wrong
VALUES = torch.eye(3)[torch.tensor([[0, 1, 1], [1, 1, 1]])]
NEIGHBOURS = Neighbours(torch.tensor([[1.0, 2.0, 2.0], [1.0, 1.0, 1.0]]), VALUES)


def test_what_was_given_is_kept():
    assert len(list(Given().candidates())) == 10 * 4 * 6
    assert {one.neighbours for one in Given(neighbours=7).candidates()} == {7}
    only = Given(0.0, 3, 2.5)
    assert list(only.candidates()) == [only.or_published()] == [Retrieval(0.0, 3, 2.5)]
    assert Given().or_published() == PUBLISHED == (0.2, 64, 10.0)
    assert Given().or_published("semeval") == Given().or_published("retacred") == (0.5, 64, 10.0)
    assert Given(interpolation=0.3).or_published("semeval") == (0.3, 64, 10.0)
    assert Given(temperature=5.0).or_published() == (0.2, 64, 5.0)
    assert PUBLISHED.neighbours in {one.neighbours for one in Given().candidates()}


def test_the_best_micro_f1_is_chosen():
    for name in ("fixed", "faithful"):
        combination = COMBINATIONS[name]
        chosen = choose(Given().candidates(), combination, LOGITS, NEIGHBOURS, LABELS, SCHEMA)
        assert combination(LOGITS, NEIGHBOURS, chosen).argmax(dim=-1).tolist() == [0, 1]
        weak = Retrieval(0.0, 1, 1.0)
        assert combination(LOGITS, NEIGHBOURS, weak).argmax(dim=-1).tolist() == [1, 1]


def test_of_equally_good_ones_the_likeliest_is_chosen():
    candidates = [Retrieval(weight, 1, 1.0) for weight in (0.8, 0.9, 0.7)]
    combination = COMBINATIONS["fixed"]
    assert choose(candidates, combination, LOGITS, NEIGHBOURS, LABELS, SCHEMA) == candidates[1]
    # and of equally likely ones the first
    same = [Retrieval(0.9, 1, temperature) for temperature in (3.0, 1.0)]
    assert choose(same, combination, LOGITS, NEIGHBOURS, LABELS, SCHEMA) == same[0]


def test_the_negative_label_does_not_count():
    labels = torch.tensor([2, 1])  # the first has no relation
    logits = torch.tensor([[0.0, 0.0, 0.1], [0.1, 0.0, 0.0]])
    values = torch.eye(3)[torch.tensor([[1], [1]])]
    neighbours = Neighbours(torch.ones(2, 1), values)
    candidates = [Retrieval(0.0, 1, 1.0), Retrieval(0.9, 1, 1.0)]
    # half right either way: a found relation counts, a found absence does not
    chosen = choose(candidates, COMBINATIONS["fixed"], logits, neighbours, labels, SCHEMA)
    assert chosen.interpolation == 0.9
