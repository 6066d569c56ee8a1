"""The parts of a round that can be worked out by hand; whole runs are in `test_run`."""

import pytest

from relgen.generation.loop import _shares, difference
from tests import tiny


def test_missing_samples_are_shared_out_to_requests() -> None:
    assert _shares(9, 4) == [4, 4, 1]
    assert _shares(0, 4) == []


def test_difference_is_one_minus_the_mean_overlap_of_words() -> None:
    first = tiny.sentence("Ann", " met ", "Bob")
    second = tiny.sentence("Ann", " met ", "Tim")
    assert difference(first, [first]) == 0.0
    assert difference(first, [second]) == pytest.approx(0.4)  # they share 3 of 5 words
    assert difference(first, [first, second]) == pytest.approx(0.2)
