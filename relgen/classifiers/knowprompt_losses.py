"""KnowPrompt's structured loss: head + relation ≈ tail, as in TransE. Free functions of tensors.

Chen et al., *KnowPrompt* (WWW 2022, arXiv 2104.07650), section 4.2:

    d_r(s, o) = ||s + r - o||_2
    L = -log σ(γ - d_r(s, o)) - Σ_i 1/n log σ(d_r(s'_i, o'_i) - γ)

Here s and o are the head's and the tail's states, r is the relation, and (s'_i, o'_i) are n pairs
in which one entity cannot play its role. A true triple takes the state at the mask as its relation,
a corrupted one the true answer word's embedding; the released code does the same.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from relgen.data import RelationSchema

_LONGEST_SPAN = 5


def translation_distance(head: Tensor, relation: Tensor, tail: Tensor) -> Tensor:
    """How far head + relation is from tail (Bordes et al. 2013, TransE): (…, H) each -> (…)."""
    return (head + relation - tail).norm(dim=-1)


def margin_loss(true: Tensor, corrupted: Tensor, counted: Tensor, margin: float) -> Tensor:
    """True triples are to lie within the margin, corrupted ones outside of it.

    Args:
        true: (B,) distances.
        corrupted: (B, N) distances.
        counted: (B, N) which of them count; where none does, the true triple is the whole loss.
        margin: γ.

    Returns:
        (B,) losses.
    """
    near = -F.logsigmoid(margin - true)
    far = -F.logsigmoid(corrupted - margin) * counted  # (B, N)
    return near + far.sum(dim=-1) / counted.sum(dim=-1).clamp(min=1)


def structured_loss(
    states: Tensor,
    positions: Tensor,
    targets: Tensor,
    answers: Tensor,
    impossible: Tensor,
    margin: float,
) -> Tensor:
    """The structured loss as the paper defines it.

    An entity's state is that of its virtual type word: the mean over the two that surround it. The
    corrupted triples of a sample take the head, or else the tail, of another sample of the batch
    that cannot stand there; nothing is drawn by chance.

    Args:
        states: (B, T, H) the encoder's last layer.
        positions: (B, 5) as `PromptEncoding` gives them.
        targets: (B, R) probabilities; an uncertain relation is the mean of its answer words.
        answers: (R, H) the answer words' embeddings.
        impossible: (2, R, R) as `impossible_roles` gives it.
        margin: γ.

    Returns:
        (B,) losses.
    """
    rows = torch.arange(len(states), device=states.device)[:, None]
    mask, *ends = states[rows, positions].unbind(dim=1)  # (B, H) each
    head, tail = (ends[0] + ends[1]) / 2, (ends[2] + ends[3]) / 2
    relation = targets.to(answers.dtype) @ answers  # (B, H)
    replaced_head = translation_distance(head[None], relation[:, None], tail[:, None])  # (B, B)
    replaced_tail = translation_distance(head[:, None], relation[:, None], tail[None])
    labels = targets.argmax(dim=-1)
    counted = impossible[:, labels][:, :, labels]  # (2, B, B)
    return margin_loss(
        translation_distance(head, mask, tail),
        torch.cat([replaced_head, replaced_tail], dim=1),  # (B, 2B)
        torch.cat([counted[0], counted[1]], dim=1),
        margin,
    )


def released_structured_loss(
    states: Tensor,
    positions: Tensor,
    targets: Tensor,
    answers: Tensor,
    impossible: Tensor,
    margin: float,
) -> Tensor:
    """`structured_loss` as the released code has it (`ke_loss`), with corrupted spans drawn anew.

    Differences are named at `batch_distance_loss`. Two remain: the released code pads every input
    to the longest length allowed, so that most of its corrupted spans are padding, and here inputs
    are padded to the batch's longest; and it looks an entity up by the first place in the input
    where its ids stand, which can be another mention, and here its own place counts.
    """
    spans = random_spans(len(states), states.shape[1], states.device)
    relation = targets.to(answers.dtype) @ answers  # (B, H)
    return batch_distance_loss(states, positions, relation, spans, margin)


def batch_distance_loss(
    states: Tensor, positions: Tensor, relation: Tensor, spans: Tensor, margin: float
) -> Tensor:
    """The released code's structured loss for given corrupted spans. What differs from the paper:

    - A distance is the norm of the whole batch's matrix (B, H) divided by B, in place of each
      sample's own norm, so that all samples share one loss.
    - An entity's state is the mean over its own tokens, in place of its virtual type word's.
    - A corrupted triple (one for each sample) takes two spans of one to five tokens from anywhere
      in the input, in place of entities of a type that the relation does not allow.

    Args:
        states: (B, T, H).
        positions: (B, 5) as `PromptEncoding` gives them.
        relation: (B, H) the true answer words' embeddings.
        spans: (2, B, 2) for a head's and a tail's place each sample's start and end (exclusive).
        margin: γ.

    Returns:
        (B,) the same loss for every sample.
    """
    size = len(states)
    mask = states[torch.arange(size, device=states.device), positions[:, 0]]  # (B, H)
    head = span_mean(states, positions[:, 1] + 1, positions[:, 2])
    tail = span_mean(states, positions[:, 3] + 1, positions[:, 4])
    false_head, false_tail = (span_mean(states, span[:, 0], span[:, 1]) for span in spans)
    true = (head + mask - tail).norm() / size  # of the matrix
    corrupted = (false_head + relation - false_tail).norm() / size
    loss = -F.logsigmoid(margin - true) - F.logsigmoid(corrupted - margin)
    return loss.expand(size)


def span_mean(states: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """The mean state of a span of each row: (B, T, H), (B,), (B,) exclusive -> (B, H).

    Zero for an empty span.
    """
    places = torch.arange(states.shape[1], device=states.device)[None]  # (1, T)
    inside = ((places >= start[:, None]) & (places < end[:, None])).to(states.dtype)  # (B, T)
    total = (inside[:, None] @ states).squeeze(1)  # (B, H)
    return total / inside.sum(dim=1, keepdim=True).clamp(min=1)


def random_spans(size: int, length: int, device: torch.device) -> Tensor:
    """Two spans a sample, of 1 to 5 tokens, the first token left out: (2, B, 2) start and end.

    Args:
        size: B.
        length: T, at least 2.
        device: where they are drawn.
    """
    last = max(length - _LONGEST_SPAN - 1, 1)
    start = torch.randint(1, last + 1, (2, size), device=device)
    width = torch.randint(1, _LONGEST_SPAN + 1, (2, size), device=device)
    return torch.stack([start, (start + width).clamp(max=length)], dim=-1)


def impossible_roles(schema: RelationSchema) -> Tensor:
    """Whose entities cannot play a relation's roles.

    Returns:
        (2, R, R) of bool: for heads and for tails, whether the entity of a sample of the second
        relation cannot stand in a sample of the first. Where both relations name the role's types,
        those must have none in common; else the relations must differ.
    """
    roles = [[rel.head_types for rel in schema], [rel.tail_types for rel in schema]]

    def excludes(types: list[tuple[str, ...]], first: int, second: int) -> bool:
        if types[first] and types[second]:
            return not set(types[first]) & set(types[second])
        return first != second

    numbers = range(len(schema))
    return torch.tensor([[[excludes(t, i, j) for j in numbers] for i in numbers] for t in roles])
