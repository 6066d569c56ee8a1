"""The probe: a multinomial logistic regression on a language model's states.

There are few samples and many features, so features are standardised and weights are penalised.
Fitting is deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from relgen.labelling.states import exchange

_ITERATIONS = 40
# keeps standardising from amplifying rounding noise
_LEAST_DEVIATION = 1e-3


class Probe(NamedTuple):
    """A fitted regression. Shapes: `weight` (F, R), `bias` (R,), `mean` and `deviation` (F,)."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    deviation: Tensor

    def probabilities(self, states: Tensor) -> Tensor:
        """Return probabilities (N, R) from states (N, S, L, H) with F = S·L·H."""
        features = (states.flatten(1) - self.mean) / self.deviation
        return (features @ self.weight + self.bias).softmax(dim=-1)


def fit_probe(
    states: Tensor, labels: Tensor, *, inverses: Sequence[int | None], penalty: float
) -> Probe:
    """Fit the regression: mean cross-entropy plus `penalty / 2` times the squared weights.

    Each relation counts alike, however many samples it has: neither shots nor sentences that were
    chosen for labelling tell how frequent it is, and counted one by one the frequent ones take the
    uncertain sentences of all others. A sample whose relation has an inverse is used a second time
    with head and tail exchanged, which merely reorders its slots.

    `states` (N, S, L, H) are from `StateReader.read`; `labels` are (N,). A relation without samples
    gets a small probability, not zero. `inverses` has the index of each relation's inverse, if any.
    """
    both = [i for i, label in enumerate(labels.tolist()) if inverses[label] is not None]
    exchanged = torch.tensor([inverses[int(labels[i])] for i in both], dtype=torch.long)
    features = torch.cat([states, exchange(states[both])]).flatten(1)  # (N', F)
    targets = torch.cat([labels, exchanged])  # (N',)
    shares = 1 / torch.bincount(targets, minlength=len(inverses)).clamp(min=1)  # (R,)
    mean = features.mean(dim=0)
    deviation = features.std(dim=0, correction=0) + _LEAST_DEVIATION
    features = (features - mean) / deviation
    weight = torch.zeros(features.shape[1], len(inverses), requires_grad=True)
    bias = torch.zeros(len(inverses), requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(features @ weight + bias, targets, weight=shares)
        value = value + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return Probe(weight.detach(), bias.detach(), mean, deviation)


def cross_validated(
    states: Tensor,
    labels: Tensor,
    *,
    folds: Sequence[int | None],
    inverses: Sequence[int | None],
    penalty: float,
) -> Tensor:
    """Return cross-validated probabilities (N, R); see `fit_probe` for the arguments.

    `folds` is each sample's fold; the rows of those without one are NaN.
    """
    found = torch.full((len(labels), len(inverses)), float("nan"))
    for fold in sorted({fold for fold in folds if fold is not None}):
        members = [row for row, own in enumerate(folds) if own == fold]
        rest = [row for row, own in enumerate(folds) if own != fold]
        probe = fit_probe(states[rest], labels[rest], inverses=inverses, penalty=penalty)
        found[members] = probe.probabilities(states[members])
    return found
