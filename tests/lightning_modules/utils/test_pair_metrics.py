from __future__ import annotations

import math

import torch

from lightning_modules.utils.pair_metrics import PAIR_METRICS, PairMetrics


def test_means_over_uneven_batches_and_kinds():
    means = PairMetrics()
    for margins, kinds in [([1.0, 2.0, 6.0], [0, 0, 1]), ([-1.0], [1])]:
        values = dict.fromkeys(PAIR_METRICS, torch.tensor(margins))
        means.add(values, torch.tensor(kinds))
    got = {name: metric.compute().item() for name, metric in means.items()}
    assert got["rewards/margins"] == 2.0
    assert got["rewards/margins/wrong_label"] == 1.5
    assert got["rewards/margins/near_copy"] == 2.5
    assert math.isnan(got["rewards/margins/exact_copy"])
    assert means.state_dict() == {}


def test_an_infinite_margin_of_one_kind_leaves_the_others_alone():
    means = PairMetrics()
    margins = torch.tensor([math.inf, 2.0])
    means.add(dict.fromkeys(PAIR_METRICS, margins), torch.tensor([0, 1]))
    assert means["rewards/margins/wrong_label"].compute() == math.inf
    assert means["rewards/margins/near_copy"].compute() == 2.0
