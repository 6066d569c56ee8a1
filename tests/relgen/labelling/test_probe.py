"""The regression on states made in code, where the answer is known."""

import pytest
import torch

from relgen.labelling.probe import cross_validated, fit_probe
from relgen.labelling.states import exchange

pytestmark = pytest.mark.compute

NO_INVERSES = [None, None, None]


def states(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise of shape (N, 4, 2, 3); slot 0 tells which of three relations it is."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    made = torch.randn(count, 4, 2, 3, generator=generator)
    made[range(count), 0, 0, labels] += 4.0
    return made, labels


def test_it_finds_what_tells_relations_apart():
    train, labels = states(60)
    probe = fit_probe(train, labels, inverses=NO_INVERSES, penalty=0.1)
    test, expected = states(60, seed=1)
    probabilities = probe.probabilities(test)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(60))
    assert (probabilities.argmax(dim=1) == expected).float().mean() > 0.9


def test_it_is_the_minimum_of_the_penalised_loss():
    train, labels = states(30)
    probe = fit_probe(train, labels, inverses=NO_INVERSES, penalty=0.5)
    features = (train.flatten(1) - probe.mean) / probe.deviation
    off = probe.probabilities(train) - torch.eye(3)[labels]
    # the gradient of mean(-log p[label]) + 0.25 * |weight|^2, worked out by hand
    slope = features.T @ off / 30 + 0.5 * probe.weight
    assert slope.abs().max() < 1e-3
    assert off.mean(dim=0).abs().max() < 1e-3
    assert probe.weight.abs().max() > 0.1


def test_each_relation_counts_alike():
    train, labels = states(30)
    rows = torch.tensor([*range(30), *range(0, 30, 3), *range(0, 30, 3)])  # relation 0 three times
    repeated = fit_probe(train[rows], labels[rows], inverses=NO_INVERSES, penalty=0.5)
    features = (train.flatten(1) - repeated.mean) / repeated.deviation
    off = repeated.probabilities(train) - torch.eye(3)[labels]
    # as if each sample stood there once
    assert (features.T @ off / 30 + 0.5 * repeated.weight).abs().max() < 1e-3
    assert off.mean(dim=0).abs().max() < 1e-3


def test_with_inverses_exchanging_head_and_tail_exchanges_the_relations():
    train, labels = states(60)
    kept = labels < 2
    probe = fit_probe(train[kept], labels[kept], inverses=[1, 0], penalty=1.0)
    as_is = probe.probabilities(train)
    exchanged = probe.probabilities(exchange(train))
    torch.testing.assert_close(as_is, exchanged[:, [1, 0]], atol=1e-3, rtol=0)


def test_a_relation_without_a_sample_is_improbable_and_not_impossible():
    train, labels = states(30)
    probe = fit_probe(train, labels, inverses=[None] * 4, penalty=1.0)
    share = probe.probabilities(train)[:, 3]
    assert (share > 0).all()
    assert share.max() < 0.1


def test_cross_validation_leaves_out_what_it_judges():
    train, labels = states(60)
    wrong = labels.clone()
    wrong[0] = (labels[0] + 1) % 3
    folds = [row // 3 % 4 for row in range(60)]
    said = cross_validated(train, wrong, folds=folds, inverses=NO_INVERSES, penalty=0.1)
    # fitted with it, the regression would repeat the wrong label
    assert said[0].argmax() == labels[0]
    assert (said[1:].argmax(dim=1) == labels[1:]).float().mean() > 0.85


def test_a_sample_without_a_fold_is_never_left_out():
    train, labels = states(9)
    folds = [0, 0, 0, 1, 1, 1, 2, 2, None]
    said = cross_validated(train, labels, folds=folds, inverses=NO_INVERSES, penalty=1.0)
    assert said[8].isnan().all()
    assert not said[:8].isnan().any()


@pytest.mark.parametrize("penalty", [0.01, 10.0])
def test_a_higher_penalty_makes_it_less_sure(penalty: float):
    train, labels = states(30)
    least = fit_probe(train, labels, inverses=NO_INVERSES, penalty=1.0)
    other = fit_probe(train, labels, inverses=NO_INVERSES, penalty=penalty)
    sure = [p.probabilities(train).max(dim=1).values.mean() for p in (least, other)]
    assert (sure[1] > sure[0]) == (penalty < 1)
