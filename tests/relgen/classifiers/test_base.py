"""Batches of encoded samples, and what a checkpoint's weights depend on."""

from __future__ import annotations

import pytest

from relgen.classifiers.base import collate
from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.portable import Encoded

pytestmark = pytest.mark.compute

ENCODED = [Encoded([5, 6, 7], [1, 2], False), Encoded([5, 6], [0, 1], False)]


def test_a_batch_is_padded_on_the_right() -> None:
    batch = collate(ENCODED, pad_id=0)
    assert batch.input_ids.tolist() == [[5, 6, 7], [5, 6, 0]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.positions.tolist() == [[1, 2], [0, 1]]
    assert batch.labels.tolist() == [-1, -1]
    assert batch.generated.tolist() == [False, False]
    assert batch.targets.shape == (2, 0)


def test_certain_labels_have_rows_of_zeros_beside_uncertain_ones() -> None:
    batch = collate(ENCODED, pad_id=0, labels=[1, 0], targets=[[], [0.25, 0.75]])
    assert batch.targets.tolist() == [[0.0, 0.0], [0.25, 0.75]]


def test_the_identity_is_what_the_weights_depend_on(classifier: EntityMarkerClassifier) -> None:
    assert classifier.identity() == {"kind": "entity_marker", "types": [], "markers": "special"}
