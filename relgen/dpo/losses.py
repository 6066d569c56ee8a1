"""DPO and its family, as free functions of the implicit rewards' difference

    h = [log π(y⁺|x) − log π_ref(y⁺|x)] − [log π(y⁻|x) − log π_ref(y⁻|x)]

All tensors have shape (B,), one entry a pair; nothing is averaged, so that the caller can weight
pairs. β is the strength of the pull towards the reference, ε (label smoothing) the assumed share
of pairs whose labels are swapped: at least 0 and below 0.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from relgen.common import BelowHalf, InputError, NonNegativeFloat, PositiveFloat, check
from relgen.dpo.logps import PairLogProbabilities

LossName = Literal["sigmoid", "ipo", "hinge", "robust"]


def log_ratio_difference(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
) -> Tensor:
    """Return h, (B,), of four summed log-probabilities, (B,) each."""
    return (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)


def sigmoid_loss(h: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Return the loss of DPO, (B,): `−(1 − ε) log σ(βh) − ε log σ(−βh)`.

    Rafailov et al. 2023 (arXiv 2305.18290, eq. 7) with ε = 0; with ε > 0 the conservative form for
    labels that are wrong with probability ε (Mitchell 2023, "cDPO").
    """
    right, wrong = -F.logsigmoid(beta * h), -F.logsigmoid(-beta * h)
    return (1 - label_smoothing) * right + label_smoothing * wrong


def ipo_loss(h: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Return the loss of IPO, (B,): `(h − 1 / (2β))²`; it has no ε.

    Azar et al. 2023 (arXiv 2310.12036, eq. 17, where β is called τ). TRL averages the
    log-probabilities over tokens first; length normalisation does the same here.
    """
    return (h - 1 / (2 * beta)) ** 2


def hinge_loss(h: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Return the hinge loss, (B,): `max(0, 1 − βh)`; it has no ε.

    SLiC-HF (Zhao et al. 2023, arXiv 2305.10425) in the form of RSO (Liu et al. 2023, arXiv
    2309.06657, eq. 9): β is the reciprocal of the margin.
    """
    return F.relu(1 - beta * h)


def robust_loss(h: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Return the loss of rDPO, (B,): `[−(1 − ε) log σ(βh) + ε log σ(−βh)] / (1 − 2ε)`.

    Unbiased under labels that are flipped with probability ε (Chowdhury et al. 2024, arXiv
    2403.00409, eq. 13). It can be negative.
    """
    right, wrong = -F.logsigmoid(beta * h), -F.logsigmoid(-beta * h)
    return ((1 - label_smoothing) * right - label_smoothing * wrong) / (1 - 2 * label_smoothing)


def nll_loss(policy_chosen: Tensor, chosen_tokens: Tensor) -> Tensor:
    """Return the chosen completion's negative log-likelihood per token: `−log π(y⁺|x) / |y⁺|`.

    All are (B,). Added to DPO it keeps the chosen completion's own probability from falling (Pang
    et al. 2024, arXiv 2404.19733, eq. 2).
    """
    return -policy_chosen / chosen_tokens


LOSSES: dict[LossName, Callable[[Tensor, float, float], Tensor]] = {
    "sigmoid": sigmoid_loss,
    "ipo": ipo_loss,
    "hinge": hinge_loss,
    "robust": robust_loss,
}


@dataclass(frozen=True, slots=True)
class PreferenceLoss:
    """One of `LOSSES` with its settings; `lightning_modules.dpo.DPOModule` explains them.

    Raises InputError if a setting is out of range, or label smoothing given with a loss that has
    none.
    """

    name: LossName = "sigmoid"
    beta: PositiveFloat = 0.1
    label_smoothing: BelowHalf = 0.0
    nll_weight: NonNegativeFloat = 0.0
    length_normalised: bool = False

    def __post_init__(self) -> None:
        check(self)
        if self.label_smoothing and self.name not in ("sigmoid", "robust"):
            raise InputError(
                f"loss '{self.name}' has no label smoothing",
                field="label_smoothing",
                value=self.label_smoothing,
                remedy="set it to 0, or choose loss sigmoid or robust",
            )

    def losses(
        self, policy: PairLogProbabilities, reference: PairLogProbabilities, tokens: Tensor
    ) -> Tensor:
        """Return the loss of each of B pairs, (B,).

        `tokens` (2, B) are the numbers of tokens of the chosen and the rejected completions.
        """
        ours, base = self._normalised(policy, tokens), self._normalised(reference, tokens)
        losses = LOSSES[self.name](
            log_ratio_difference(*ours, *base), self.beta, self.label_smoothing
        )
        if self.nll_weight:
            losses = losses + self.nll_weight * nll_loss(policy.chosen, tokens[0])
        return losses

    def rewards(
        self, policy: PairLogProbabilities, reference: PairLogProbabilities, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the implicit rewards β(log π − log π_ref) of chosen and rejected, (B,) each."""
        ours, base = self._normalised(policy, tokens), self._normalised(reference, tokens)
        return self.beta * (ours.chosen - base.chosen), self.beta * (ours.rejected - base.rejected)

    def _normalised(self, values: PairLogProbabilities, tokens: Tensor) -> PairLogProbabilities:
        if not self.length_normalised:
            return values
        return PairLogProbabilities(values.chosen / tokens[0], values.rejected / tokens[1])
