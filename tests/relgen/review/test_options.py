"""Options of a review."""

from __future__ import annotations

import pytest

from relgen.common.command_lines import parse_options
from relgen.common.errors import InputError
from relgen.review.options import ReviewOptions


def test_votes_and_tools_are_checked() -> None:
    line = ["g.jsonl", "--out", "r.jsonl"]
    options = parse_options(ReviewOptions, "review", [*line, "--export", "prodigy"])
    assert options == ReviewOptions(samples="g.jsonl", out="r.jsonl", export="prodigy")
    for wrong in (["--votes", "0"], ["--export", "brat"], ["--host", "0.0.0.0"]):
        with pytest.raises(InputError):
            parse_options(ReviewOptions, "review", [*line, *wrong])
