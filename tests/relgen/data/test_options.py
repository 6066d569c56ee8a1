"""Options of `relgen data`: their command lines, ranges, and the formats that help lists."""

from __future__ import annotations

import pytest

from relgen.common.command_lines import option_words, parse_options
from relgen.common.errors import InputError
from relgen.data.corpora import FORMATS
from relgen.data.options import CardOptions, ConvertOptions, SplitOptions


def test_help_describes_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(ConvertOptions, "data convert", ["--help"])
    said = capsys.readouterr().out
    for name, each in FORMATS.items():
        assert f"{name} {each.description}" in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 100


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"input": "a.json", "format": "tacred", "out": "b.jsonl", "drop_unpatched": False},
            ["a.json", "--format", "tacred", "--out", "b.jsonl", "--no-drop-unpatched"],
        ),
        (
            {"input": "x", "format": "hub", "out": "b.jsonl", "columns": {"text": "t", "id": "i"}},
            ["x", "--format", "hub", "--out", "b.jsonl", "--columns", "text=t,id=i"],
        ),
    ],
)
def test_a_command_line_says_what_a_stage_was_given(given: dict, line: list[str]) -> None:
    assert option_words(ConvertOptions, given) == line
    assert parse_options(ConvertOptions, "data convert", line) == ConvertOptions(**given)


@pytest.mark.parametrize(
    ("kind", "line", "problem"),
    [
        (SplitOptions, ["s.jsonl", "--shots", "0", "--out", "o"], "a whole number above 0"),
        (SplitOptions, ["s.jsonl", "--shots", "1", "--dev", "k", "--out", "o"], "full, K, none"),
        (CardOptions, ["g.jsonl", "--schema", "s", "--out", "o"], "--license"),
    ],
)
def test_what_cannot_be_used_is_refused(kind: type, line: list[str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_options(kind, "data", line)
