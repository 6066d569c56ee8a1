"""Vector measures against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from relgen.evaluation.diversity.vectors import mean_pairwise_cosine, vendi_score


def cosine(vectors: Tensor) -> Tensor:
    return mean_pairwise_cosine(vectors.sum(0), len(vectors))


def vendi(vectors: Tensor) -> Tensor:
    return vendi_score(vectors.double().T @ vectors.double(), len(vectors))


def test_mean_pairwise_cosine_by_hand() -> None:
    # pairs of (1,0), (0,1), (1,0): cosines 0, 1, 0
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert cosine(vectors).item() == pytest.approx(1 / 3)
    assert math.isnan(cosine(vectors[:1]))


def test_mean_pairwise_cosine_equals_the_mean_over_the_gram_matrix() -> None:
    vectors = F.normalize(torch.randn(7, 5, generator=torch.Generator().manual_seed(1)), dim=-1)
    gram = vectors.double() @ vectors.double().T
    expected = gram[~torch.eye(7, dtype=torch.bool)].mean()
    assert cosine(vectors).item() == pytest.approx(expected.item(), rel=1e-5)


def test_vendi_counts_different_vectors() -> None:
    assert vendi(torch.eye(3)).item() == pytest.approx(3.0)
    assert vendi(torch.tensor([[1.0, 0.0]] * 5)).item() == pytest.approx(1.0)
    # two of one kind and two of another, by the 2 x 2 covariance
    assert vendi(torch.eye(2).repeat(2, 1)).item() == pytest.approx(2.0)


def test_vendi_by_hand_for_two_vectors_at_60_degrees() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]])
    # K/2 has the eigenvalues (1 ± 0.5)/2
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert vendi(vectors).item() == pytest.approx(expected)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 50])
def test_vendi_equals_that_of_the_n_by_n_matrix(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    vectors = F.normalize(torch.randn(count, 8, generator=generator), dim=-1)
    gram = vectors.double() @ vectors.double().T
    expected = torch.special.entr(torch.linalg.eigvalsh(gram / count).clamp(min=0)).sum().exp()
    torch.testing.assert_close(vendi(vectors), expected, rtol=1e-9, atol=0)
