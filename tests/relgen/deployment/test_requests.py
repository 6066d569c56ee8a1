"""What a client sends becomes samples."""

from __future__ import annotations

import pytest

pytest.importorskip("pydantic", reason="needs the extra serve")

from relgen.data.samples import UNLABELLED, Entity, Sample
from relgen.deployment.requests import PredictRequest, read_items
from relgen.prediction.pairs import RawText

pytestmark = pytest.mark.compute


def test_mentions_in_three_forms_and_raw_text() -> None:
    request = PredictRequest.model_validate(
        {
            "samples": [
                {"text": "Ann met Ben.", "head": "Ann", "tail": [8, 11]},
                {"id": "x", "text": "Ann met Ben.", "head": {"start": 0, "end": 3, "type": "P"}}
                | {"tail": "Ben", "relation": "ignored"},
                {"text": "Ann met Ben."},
            ]
        }
    )
    assert read_items(request, max_sentences=3, max_characters=12, raw=True) == [
        Sample("0", "Ann met Ben.", Entity(0, 3), Entity(8, 11), UNLABELLED),
        Sample("x", "Ann met Ben.", Entity(0, 3, "P"), Entity(8, 11), UNLABELLED),
        RawText("2", "Ann met Ben."),
    ]
