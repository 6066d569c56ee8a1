"""What is said about an export's labels."""

from __future__ import annotations

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Prediction
from relgen.deployment.agreement import (
    Agreement,
    comparison_samples,
    measure_agreement,
    require_same,
)

pytestmark = pytest.mark.compute


def prediction(relation: str, *probabilities: float) -> Prediction:
    scores = dict(zip("ab", probabilities, strict=True))
    return Prediction("0", relation, max(probabilities), scores)


def test_labels_and_probabilities_are_compared() -> None:
    expected = [prediction("a", 0.75, 0.25), prediction("b", 0.25, 0.75)]
    found = measure_agreement(expected, [{"a": 0.5, "b": 0.5}, {"a": 0.875, "b": 0.125}])
    assert found == Agreement(2, 1, 0.625)
    assert str(found) == (
        "labels other than the classifier's on 1 of 2 sentences (50.0%); probabilities differ by "
        "at most 0.62"
    )
    assert str(Agreement(8, 0, 1e-6)) == (
        "the same labels as the classifier on 8 sentences; probabilities differ by at most 1e-06"
    )


def test_more_than_the_allowed_share_is_refused() -> None:
    require_same(Agreement(100, 2, 0.1), "int8", allowed=0.02, remedy="x")
    with pytest.raises(
        InputError, match=r"3 of 100 .* at most 2.0% of the labels may differ; do x"
    ):
        require_same(Agreement(100, 3, 0.1), "int8", allowed=0.02, remedy="do x")


def test_the_everyday_corpus_is_the_default() -> None:
    assert len(comparison_samples(None)) == 216
