"""DPO and its family: free functions of summed log-probabilities.

With the implicit rewards' difference

    h = [log π(y⁺|x) − log π_ref(y⁺|x)] − [log π(y⁻|x) − log π_ref(y⁻|x)]

every loss here is a function of h and β. All tensors have shape (B,), one entry a pair; nothing is
averaged, so that the caller can weight pairs. Leaves out: how log-probabilities come about
(`relgen.dpo.logps`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from relgen.common import InputError

LossName = Literal["sigmoid", "ipo", "hinge", "robust"]


def log_ratio_difference(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
) -> Tensor:
    """Return h of the module's docstring.

    Args:
        policy_chosen: (B,), log π(y⁺|x).
        policy_rejected: (B,), log π(y⁻|x).
        reference_chosen: (B,), log π_ref(y⁺|x).
        reference_rejected: (B,), log π_ref(y⁻|x).

    Returns:
        (B,)
    """
    return (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)


def sigmoid_loss(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the loss of DPO: `−(1 − ε) log σ(βh) − ε log σ(−βh)`.

    Rafailov et al. 2023 (arXiv 2305.18290, eq. 7) with ε = 0; with ε > 0 the conservative form for
    labels that are wrong with probability ε (Mitchell 2023, "cDPO").

    Args:
        policy_chosen, policy_rejected, reference_chosen, reference_rejected: (B,).
        beta: strength of the pull towards the reference.
        label_smoothing: ε, at least 0 and below 0.5.

    Returns:
        (B,)
    """
    h = log_ratio_difference(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    right, wrong = -F.logsigmoid(beta * h), -F.logsigmoid(-beta * h)
    return (1 - label_smoothing) * right + label_smoothing * wrong


def ipo_loss(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the loss of IPO: `(h − 1 / (2β))²`.

    Azar et al. 2023 (arXiv 2310.12036, eq. 17, where β is called τ). TRL averages the
    log-probabilities over tokens first: ask for length normalisation to get the same.

    Args:
        policy_chosen, policy_rejected, reference_chosen, reference_rejected: (B,).
        beta: τ, positive.
        label_smoothing: not part of this loss; see `check_loss`.

    Returns:
        (B,)
    """
    h = log_ratio_difference(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return (h - 1 / (2 * beta)) ** 2


def hinge_loss(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the hinge loss of the normalised likelihood: `max(0, 1 − βh)`.

    SLiC-HF (Zhao et al. 2023, arXiv 2305.10425) in the form of RSO (Liu et al. 2023, arXiv
    2309.06657, eq. 9).

    Args:
        policy_chosen, policy_rejected, reference_chosen, reference_rejected: (B,).
        beta: the reciprocal of the margin.
        label_smoothing: not part of this loss; see `check_loss`.

    Returns:
        (B,)
    """
    h = log_ratio_difference(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return F.relu(1 - beta * h)


def robust_loss(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the loss of rDPO: `[−(1 − ε) log σ(βh) + ε log σ(−βh)] / (1 − 2ε)`.

    Unbiased under labels that are flipped with probability ε (Chowdhury et al. 2024, arXiv
    2403.00409, eq. 13). It can be negative.

    Args:
        policy_chosen, policy_rejected, reference_chosen, reference_rejected: (B,).
        beta: strength of the pull towards the reference.
        label_smoothing: ε, at least 0 and below 0.5.

    Returns:
        (B,)
    """
    h = log_ratio_difference(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    right, wrong = -F.logsigmoid(beta * h), -F.logsigmoid(-beta * h)
    return ((1 - label_smoothing) * right - label_smoothing * wrong) / (1 - 2 * label_smoothing)


def nll_loss(policy_chosen: Tensor, chosen_tokens: Tensor) -> Tensor:
    """Return the chosen completion's negative log-likelihood per token: `−log π(y⁺|x) / |y⁺|`.

    Added to DPO it keeps the chosen completion's own probability from falling (Pang et al. 2024,
    arXiv 2404.19733, eq. 2).

    Args:
        policy_chosen: (B,), summed over tokens.
        chosen_tokens: (B,), |y⁺|.

    Returns:
        (B,)
    """
    return -policy_chosen / chosen_tokens


def check_loss(
    loss: LossName, beta: float, label_smoothing: float, nll_weight: float = 0.0
) -> None:
    """Refuse settings that have no meaning.

    Raises:
        InputError: an unknown loss, β not positive, ε outside [0, 0.5), or ε with a loss that has
            none.
    """
    if loss not in LOSSES:
        raise InputError(f"must be one of {', '.join(LOSSES)}", field="loss", value=loss)
    if beta <= 0:
        raise InputError("must be positive", field="beta", value=beta, remedy="0.1 is usual")
    if nll_weight < 0:
        raise InputError("must not be negative", field="nll_weight", value=nll_weight)
    if not 0 <= label_smoothing < 0.5:
        raise InputError(
            "must be at least 0 and below 0.5: at 0.5 labels say nothing",
            field="label_smoothing",
            value=label_smoothing,
        )
    if label_smoothing and loss not in ("sigmoid", "robust"):
        raise InputError(
            f"loss '{loss}' has no label smoothing",
            field="label_smoothing",
            value=label_smoothing,
            remedy="set it to 0, or take loss sigmoid or robust",
        )


PreferenceLoss = Callable[[Tensor, Tensor, Tensor, Tensor, float, float], Tensor]
LOSSES: dict[LossName, PreferenceLoss] = {
    "sigmoid": sigmoid_loss,
    "ipo": ipo_loss,
    "hinge": hinge_loss,
    "robust": robust_loss,
}
