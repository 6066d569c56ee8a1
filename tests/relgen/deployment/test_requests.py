"""What a client sends becomes samples."""

from __future__ import annotations

import pytest

pytest.importorskip("pydantic", reason="needs the extra serve")

from relgen.data.samples import UNLABELLED, Entity, Sample
from relgen.deployment.requests import PredictRequest, read_samples


def test_mentions_in_three_forms() -> None:
    request = PredictRequest.model_validate(
        {
            "samples": [
                {"text": "Ann met Ben.", "head": "Ann", "tail": [8, 11]},
                {"id": "x", "text": "Ann met Ben.", "head": {"start": 0, "end": 3, "type": "P"}}
                | {"tail": "Ben", "relation": "ignored"},
            ]
        }
    )
    assert read_samples(request, max_sentences=2, max_characters=12) == [
        Sample("0", "Ann met Ben.", Entity(0, 3), Entity(8, 11), UNLABELLED),
        Sample("x", "Ann met Ben.", Entity(0, 3, "P"), Entity(8, 11), UNLABELLED),
    ]
