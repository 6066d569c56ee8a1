"""Log-probabilities of the lines of a draft."""

import pytest

from relgen.generation.backends.base import line_logprobs

pytestmark = pytest.mark.compute


def test_line_logprobs_follow_the_line_breaks() -> None:
    pieces = ["a", " b", ".\n", "c", "\n\n", "d"]
    logprobs = [-1.0, -2.0, -3.0, -4.0, -6.0, -7.0]
    assert line_logprobs(pieces, logprobs, 4) == [-2.0, -5.0, None, -7.0]
