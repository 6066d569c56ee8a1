"""Mentions as given: as texts, or as offsets."""

import pytest

from relgen.classifiers.mentions import find_mention


def test_finding_a_mention():
    assert find_mention("party art", "art", "head") == (6, 9)
    assert find_mention("partly", "art", "head") == (1, 4)
    assert find_mention("a a", (2, 3), "head") == (2, 3)
    with pytest.raises(ValueError, match=r"2 times, at \[0, 2\].*head=\(0, 1\)"):
        find_mention("a a", "a", "head")
    with pytest.raises(ValueError, match=r"not in the text 'Ann'.*offsets"):
        find_mention("Ann", "ann", "head")
    with pytest.raises(ValueError, match="empty"):
        find_mention("Ann", " ", "head")
