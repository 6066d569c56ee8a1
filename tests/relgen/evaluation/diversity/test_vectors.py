"""Vector measures against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from relgen.evaluation.diversity import vectors as module
from relgen.evaluation.diversity.vectors import mean_pairwise_cosine, vendi_score


def test_mean_pairwise_cosine_by_hand() -> None:
    # pairs of (1,0), (0,1), (1,0): cosines 0, 1, 0
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert mean_pairwise_cosine(vectors).item() == pytest.approx(1 / 3)
    assert math.isnan(mean_pairwise_cosine(vectors[:1]))


def test_mean_pairwise_cosine_equals_the_mean_over_the_gram_matrix() -> None:
    vectors = F.normalize(torch.randn(7, 5, generator=torch.Generator().manual_seed(1)), dim=-1)
    gram = vectors.double() @ vectors.double().T
    expected = gram[~torch.eye(7, dtype=torch.bool)].mean()
    assert mean_pairwise_cosine(vectors).item() == pytest.approx(expected.item(), rel=1e-5)


def test_vendi_counts_different_vectors() -> None:
    assert vendi_score(torch.eye(3)).item() == pytest.approx(3.0)
    assert vendi_score(torch.tensor([[1.0, 0.0]] * 5)).item() == pytest.approx(1.0)
    # two of one kind and two of another, by the 2 x 2 covariance
    assert vendi_score(torch.eye(2).repeat(2, 1)).item() == pytest.approx(2.0)
    assert math.isnan(vendi_score(torch.empty(0, 4)))


def test_vendi_by_hand_for_two_vectors_at_60_degrees() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]])
    # K/2 has the eigenvalues (1 ± 0.5)/2
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert vendi_score(vectors).item() == pytest.approx(expected)


def test_vendi_is_the_same_by_gram_matrix_and_by_covariance() -> None:
    vectors = F.normalize(torch.randn(9, 4, generator=torch.Generator().manual_seed(2)), dim=-1)
    wide = F.pad(vectors, (0, 20))  # d > n: the Gram matrix's way
    assert vendi_score(vectors).item() == pytest.approx(vendi_score(wide).item(), rel=1e-6)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 50])
def test_vendi_equals_that_of_the_n_by_n_matrix(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", 3)
    generator = torch.Generator().manual_seed(count)
    vectors = F.normalize(torch.randn(count, 8, generator=generator), dim=-1)
    gram = vectors.double() @ vectors.double().T
    expected = torch.special.entr(torch.linalg.eigvalsh(gram / count).clamp(min=0)).sum().exp()
    torch.testing.assert_close(vendi_score(vectors), expected, rtol=1e-9, atol=0)


class _Largest(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that is made."""

    elements = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for made in result if isinstance(result, tuple | list) else [result]:
            if isinstance(made, torch.Tensor):
                self.elements = max(self.elements, made.untyped_storage().nbytes() // 4)
        return result


def test_no_matrix_of_n_by_n_and_no_second_copy_of_all_vectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_BLOCK", 64)
    vectors = F.normalize(torch.randn(1000, 8, generator=torch.Generator().manual_seed(3)), dim=-1)
    with _Largest() as largest:
        vendi_score(vectors)
        mean_pairwise_cosine(vectors)
    # the vectors' own storage is seen through their blocks
    assert largest.elements == vectors.numel()
