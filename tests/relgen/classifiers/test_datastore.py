"""The datastore's search, its mixture with the language model, its settings, and its state."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from relgen.classifiers.datastore import (
    Datastore,
    Neighbours,
    Retrieval,
    candidates,
    choose,
    mixed_logits,
    nearest,
    neighbour_probabilities,
    published,
)
from tests.tiny.encoders import SCHEMA

pytestmark = pytest.mark.compute

# one query, whose four neighbours have relations 0, 1, 0 and, uncertain, 1 or 2
FOUR = Neighbours(
    torch.tensor([[1.0, 2.0, 4.0, 5.0]]),
    torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0],
                   [0.0, 0.4, 0.6, 0.0]]]),
)  # fmt: skip


def test_the_search_is_exact():
    generator = torch.Generator().manual_seed(0)
    # far from the origin, where a distance as a difference of products would be noise
    keys = 300 + torch.randn(50, 6, generator=generator)
    queries = 300 + torch.randn(7, 6, generator=generator)
    values = torch.rand(50, 3, generator=generator)
    found = nearest(queries, keys, values, 4)
    squares = ((queries.numpy()[:, None] - keys.numpy()[None]) ** 2).sum(-1)
    rows = squares.argsort(axis=1)[:, :4]
    np.testing.assert_allclose(found.distances, np.take_along_axis(squares, rows, 1), rtol=1e-4)
    np.testing.assert_array_equal(found.values, values.numpy()[rows])


def test_a_small_store_gives_all_it_has():
    found = nearest(torch.zeros(2, 3), torch.ones(5, 3), torch.eye(5), 64)
    assert found.distances.shape == (2, 5)
    assert found.values.shape == (2, 5, 5)


def test_neighbour_probabilities_by_hand():
    w = [math.exp(-d / 2) for d in (1, 2, 4, 5)]
    expected = [w[0] + w[2], w[1] + 0.4 * w[3], 0.6 * w[3], 0.0]
    found = neighbour_probabilities(FOUR, 2.0)[0].tolist()
    assert found == pytest.approx([value / sum(w) for value in expected])


def test_the_mixture_by_hand():
    lm = torch.tensor([[0.7, 0.2, 0.1, 0.0]])
    scores = mixed_logits(lm.log(), FOUR, Retrieval(0.25, 2, 2.0))
    # of the two nearest neighbours
    w = [math.exp(-1 / 2), math.exp(-2 / 2)]
    knn = [w[0] / sum(w), w[1] / sum(w), 0.0, 0.0]
    expected = [0.25 * near + 0.75 * p for near, p in zip(knn, lm[0].tolist(), strict=True)]
    assert scores.exp()[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert scores.softmax(dim=-1)[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert scores.isfinite().all()


# two samples: the language model finds the second's relation only
LOGITS = torch.tensor([[1.0, 2.0, 0.0], [0.0, 2.0, 0.0]])
LABELS = torch.tensor([0, 1])
# the first's nearest neighbour is right, and its two next ones are wrong
VALUES = torch.eye(3)[torch.tensor([[0, 1, 1], [1, 1, 1]])]
NEIGHBOURS = Neighbours(torch.tensor([[1.0, 2.0, 2.0], [1.0, 1.0, 1.0]]), VALUES)


def test_given_settings_are_kept():
    assert len(candidates({})) == 10 * 4 * 6
    assert {one.neighbours for one in candidates({"neighbours": 7})} == {7}
    only = {"interpolation": 0.0, "neighbours": 3, "temperature": 2.5}
    assert candidates(only) == [published(only, "semeval")] == [Retrieval(0.0, 3, 2.5)]
    assert published({}, "mine") == Retrieval() == (0.2, 64, 10.0)
    assert published({}, "semeval") == published({}, "retacred") == (0.5, 64, 10.0)
    assert published({"interpolation": 0.3}, "semeval") == (0.3, 64, 10.0)
    assert published({"temperature": 5.0}, "mine") == (0.2, 64, 5.0)


def test_the_best_micro_f1_is_chosen():
    chosen = choose(candidates({}), LOGITS, NEIGHBOURS, LABELS, SCHEMA)
    assert mixed_logits(LOGITS, NEIGHBOURS, chosen).argmax(dim=-1).tolist() == [0, 1]
    weak = Retrieval(0.0, 1, 1.0)
    assert mixed_logits(LOGITS, NEIGHBOURS, weak).argmax(dim=-1).tolist() == [1, 1]


def test_of_equally_good_ones_the_likeliest_is_chosen():
    options = [Retrieval(weight, 1, 1.0) for weight in (0.8, 0.9, 0.7)]
    assert choose(options, LOGITS, NEIGHBOURS, LABELS, SCHEMA) == options[1]
    # and of equally likely ones the first
    same = [Retrieval(0.9, 1, temperature) for temperature in (3.0, 1.0)]
    assert choose(same, LOGITS, NEIGHBOURS, LABELS, SCHEMA) == same[0]


def test_the_negative_label_does_not_count():
    labels = torch.tensor([2, 1])  # the first has no relation
    logits = torch.tensor([[0.0, 0.0, 0.1], [0.1, 0.0, 0.0]])
    values = torch.eye(3)[torch.tensor([[1], [1]])]
    neighbours = Neighbours(torch.ones(2, 1), values)
    options = [Retrieval(0.0, 1, 1.0), Retrieval(0.9, 1, 1.0)]
    # half right either way: a found relation counts, a found absence does not
    chosen = choose(options, logits, neighbours, labels, SCHEMA)
    assert chosen.interpolation == 0.9


def test_a_state_of_any_size_can_be_loaded():
    full = nn.ModuleDict({"store": Datastore(4, 3)})
    full["store"].fill(torch.rand(7, 4), torch.rand(7, 3), Retrieval(0.3, 16, 10.0))
    for empty in (Datastore(4, 3), Datastore(4, 3)):
        other = nn.ModuleDict({"store": empty})
        other.load_state_dict(full.state_dict())
        assert len(empty) == 7
        assert torch.equal(empty.keys, full["store"].keys)
        assert torch.equal(empty.values, full["store"].values)
        assert empty.retrieval == Retrieval(0.3, 16, 10.0)
    full.load_state_dict(nn.ModuleDict({"store": Datastore(4, 3)}).state_dict())
    assert len(full["store"]) == 0


def test_a_state_of_another_width_is_refused():
    with pytest.raises(RuntimeError, match="size mismatch for keys"):
        Datastore(4, 3).load_state_dict(Datastore(5, 3).state_dict())


def test_clearing_forgets():
    store = Datastore(4, 3)
    store.fill(torch.rand(7, 4), torch.rand(7, 3), Retrieval(0.3, 16, 10.0))
    store.clear()
    assert (len(store), store.values.shape) == (0, (0, 3))
    assert store.keys.untyped_storage().nbytes() == 0
