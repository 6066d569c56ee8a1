"""The order of a review."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relgen.data import OverlapIndex
from relgen.review import order
from relgen.review.order import in_review_order, uncertainty

from .people import SAMPLES, sample


@pytest.mark.parametrize(
    ("scores", "expected"),
    [((0.9, 0.1, 0.0), 0.2), ((0.4, 0.4, 0.2), 1.0), ((0.2, 0.0, 0.0), 0.0), ((), 0.0)],
)
def test_uncertainty_is_the_margin_between_the_two_most_probable(
    scores: tuple[float, ...], expected: float
) -> None:
    assert uncertainty(sample("x", *scores)) == pytest.approx(expected)


def test_sentences_that_are_alike_are_spread_out() -> None:
    alike = [sample(f"alike{number}", 0.5, 0.5, 0.0) for number in range(3)]
    text = "🙂 Acme hired its bookkeeper Ann last year, it says."
    other = [replace(sample("other", 0.7, 0.3, 0.0), text=text)]
    other.append(replace(other[0], id="sure", scores={"founded_by": 0.9, "lives_in": 0.1}))
    # 1, 1/2 and 1/3 for those alike; 0.6 and 0.2/2 for the others
    found = [one.id for one in in_review_order([*alike, *other])]
    assert found == ["alike0", "other", "alike1", "alike2", "sure"]


def test_many_sentences_that_are_alike_take_few_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    make = OverlapIndex
    monkeypatch.setattr(order, "OverlapIndex", lambda least: built.append(least) or make(least))
    alike = [sample(f"alike{number}", 0.5, 0.5, 0.0) for number in range(100)]
    assert in_review_order(alike) == alike
    assert len(built) == 20


def test_without_scores_the_order_stays() -> None:
    unread = [replace(one, scores=None) for one in SAMPLES]
    reviewed = replace(unread[0], id="done", review={"reviewer": "ann", "decision": "accepted"})
    assert in_review_order([reviewed, *unread]) == unread
