"""Computes the losses of relation classifiers.

KnowPrompt's structured loss (Chen et al., WWW 2022, arXiv 2104.07650, section 4.2) asks, as TransE
does, for head + relation ≈ tail:

    d_r(s, o) = ||s + r - o||_2
    L = -log σ(γ - d_r(s, o)) - Σ_i 1/n log σ(d_r(s'_i, o'_i) - γ)

Here s and o are the head's and the tail's states, r is the relation, and (s'_i, o'_i) are n pairs
in which one entity cannot play its role. In a true triple the relation is the state at the mask, in
a corrupted one the true answer word's embedding, as in the released code.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from relgen.data import RelationSchema


def target_probabilities(labels: Tensor, targets: Tensor, relations: int) -> Tensor:
    """Return the target distributions (B, R): rows of `targets`, or 1 at a certain label (B,).

    `targets` are probabilities (B, R), with rows of zeros where the label is certain; or (B, 0).
    """
    certain = F.one_hot(labels, relations).float()
    if not targets.shape[1]:
        return certain
    return torch.where(targets.any(dim=1, keepdim=True), targets, certain)


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of `losses` (B,) with `weights` (B,); 0, also in gradient, if all are 0.

    The weights are normalised within the batch, so that a sample of weight 0 has no influence.
    """
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(losses.dtype).tiny)


def margin_loss(true: Tensor, corrupted: Tensor, counted: Tensor, margin: float) -> Tensor:
    """Return the losses (B,) of true triples beyond the margin and of corrupted ones within it.

    The distances are (B,) and (B, N); `counted` (B, N) selects the corrupted ones to include.
    """
    near = -F.logsigmoid(margin - true)
    far = -F.logsigmoid(corrupted - margin) * counted  # (B, N)
    return near + far.sum(dim=-1) / counted.sum(dim=-1).clamp(min=1)


def structured_loss(
    states: Tensor, targets: Tensor, answers: Tensor, impossible: Tensor, margin: float
) -> Tensor:
    """Return the structured loss of KnowPrompt, (B,).

    An entity's state is the mean of those of the two virtual type words around it. The corrupted
    triples of a sample use the head or the tail of another sample of the batch that cannot play
    that role; nothing is drawn at random.

    `states` (B, 5, H) are the encoder's at the positions of `PromptEncoding`, `targets` (B, R) are
    probabilities, `answers` (R, H) the answer words' embeddings (an uncertain relation is their
    mean), and `impossible` (2, R, R) is from `impossible_roles`.
    """
    mask, *ends = states.unbind(dim=1)  # (B, H) each
    head, tail = (ends[0] + ends[1]) / 2, (ends[2] + ends[3]) / 2
    relation = targets.to(answers.dtype) @ answers  # (B, H)
    replaced_head = (head[None] + relation[:, None] - tail[:, None]).norm(dim=-1)  # (B, B)
    replaced_tail = (head[:, None] + relation[:, None] - tail[None]).norm(dim=-1)
    labels = targets.argmax(dim=-1)
    counted = impossible[:, labels][:, :, labels]  # (2, B, B)
    return margin_loss(
        (head + mask - tail).norm(dim=-1),
        torch.cat([replaced_head, replaced_tail], dim=1),  # (B, 2B)
        torch.cat([counted[0], counted[1]], dim=1),
        margin,
    )


def impossible_roles(schema: RelationSchema) -> Tensor:
    """Return a mask of relations whose entities cannot play another's roles, (2, R, R), bool.

    For heads and for tails: True if an entity of the second relation cannot be in a sample of the
    first, because the types that both name have none in common. If one of them names no types, True
    for different relations.
    """
    roles = [[rel.head_types for rel in schema], [rel.tail_types for rel in schema]]

    def excludes(types: list[tuple[str, ...]], first: int, second: int) -> bool:
        if types[first] and types[second]:
            return not set(types[first]) & set(types[second])
        return first != second

    numbers = range(len(schema))
    return torch.tensor([[[excludes(t, i, j) for j in numbers] for i in numbers] for t in roles])
