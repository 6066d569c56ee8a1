"""Rows belong to what was asked, whatever its id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from relgen.data.samples import Entity, Sample
from relgen.deployment.answers import answers_of
from relgen.prediction.pairs import RawText

pytestmark = pytest.mark.compute


def predictor(items: Sequence[Sample | RawText]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Give a sample one row, and a document as many as its text has characters."""
    rows: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, Sample):
            rows.append({"id": item.id})
        else:
            places = range(1, len(item.text) + 1)
            rows += [{"id": f"{item.id}/{place}", "document": item.id} for place in places]
    return rows, Counter()


def test_ids_may_repeat_and_have_slashes() -> None:
    sample = Sample("a/b", "Ann met Ben.", Entity(0, 3), Entity(8, 11), "r")
    items = [sample, RawText("a/b", "xy"), RawText("", ""), sample]
    assert answers_of(predictor)(items) == [  # type: ignore[arg-type]
        [{"id": "a/b"}],
        [{"id": "a/b/1", "document": "a/b"}, {"id": "a/b/2", "document": "a/b"}],
        [],
        [{"id": "a/b"}],
    ]
