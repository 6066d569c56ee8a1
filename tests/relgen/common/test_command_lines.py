"""Command lines of dataclasses: read, written, and refused on one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import yaml

from relgen.common.command_lines import (
    ONLY_TYPED,
    POSITIONAL,
    SHORT,
    option_words,
    parse_known,
    parse_options,
)
from relgen.common.errors import InputError
from relgen.common.ranges import PositiveInt


@dataclass(frozen=True)
class Server:
    """A server."""

    base_url: str = "http://x"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Do something.

    More about it.
    """

    files: list[str] = field(metadata=POSITIONAL)
    """Files to read."""
    out: str
    """File to write."""
    max_words: PositiveInt = 9
    """Words at most, 100% of them."""
    mode: Literal["obo", "aao"] = "obo"
    half: Literal["a", "b"] | None = None
    diverse: bool = True
    relations: tuple[str, ...] = ()
    shares: dict[str, float] = field(default_factory=dict)
    server: Server | None = None


def parsed(line: str) -> Options:
    options = parse_options(Options, "thing", line.split())
    assert options is not None
    return options


def test_every_kind_of_option() -> None:
    line = (
        "a b --out c --max_words=3 --mode aao --half null --no-diverse --shares x=1,y=0.5 "
        "--relations A(e1,e2) B --relations C --server-base-url http://y"
    )
    assert parsed(line) == Options(
        files=["a", "b"],
        out="c",
        max_words=3,
        mode="aao",
        diverse=False,
        relations=("A(e1,e2)", "B", "C"),
        shares={"x": 1.0, "y": 0.5},
        server=Server("http://y"),
    )
    assert parsed("--out c a").files == ["a"]


def test_words_are_parsed_as_the_same_options() -> None:
    given = {"out": "c", "max_words": 3, "half": None, "diverse": False, "relations": ("A", "B")}
    line = option_words(
        Options, {**given, "files": [Path("a"), "b"], "shares": {"x": 1.0, "y": 0.5}}
    )
    expected = "a b --out c --max-words 3 --no-diverse --relations A B --shares x=1,y=0.5"
    assert " ".join(line) == expected
    assert parsed(expected) == Options(
        files=["a", "b"],
        out="c",
        max_words=3,
        diverse=False,
        relations=("A", "B"),
        shares={"x": 1.0, "y": 0.5},
    )
    assert option_words(Options, {"files": ["a"], "diverse": True, "shares": {}}) == [
        "a",
        "--diverse",
    ]
    with pytest.raises(KeyError):
        option_words(Options, {"max_word": 3})


def test_files_below_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("out: o\nmax_words: 3\nserver: {base_url: http://1}\n", encoding="utf-8")
    two.write_text("mode: aao\nmax_words: 0\n", encoding="utf-8")
    line = f"a -c {one} -c {two} --max-words 5"
    options = parsed(line)
    assert (options.out, options.mode, options.max_words) == ("o", "aao", 5)
    assert options.server == Server("http://1")
    with pytest.raises(InputError, match=r"two\.yaml:2: field 'max_words': must be a whole"):
        parsed(f"a -c {one} -c {two}")
    assert parse_options(Options, "thing", [*line.split(), "--print_config"]) is None
    assert yaml.safe_load(capsys.readouterr().out)["server"] == {"base_url": "http://1"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a", "field '--out': missing; see `relgen thing --help`"),
        ("--out c", "field 'files': missing; see `relgen thing --help`"),
        (
            "--out c --relations A a",
            "field 'files': missing; put it before --relations, which takes all words after it",
        ),
        ("a --out c --max-words 0", "field '--max-words': must be a whole number above 0"),
        ("a --out c --max-word 1", "unknown option; did you mean '--max-words'?"),
        ("a --out c --half c", "field '--half': must be one of a, b or null (got 'c')"),
        ("a --out c --shares x", "field '--shares': must be KEY=VALUE (got 'x')"),
        ("a --out", "argument --out: expected one argument; see `relgen thing --help`"),
    ],
)
def test_refuses(line: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_options(Options, "thing", line.split())
    assert message in str(caught.value)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_options(Options, "thing", ["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: relgen thing FILES --out OUT [options]\n\nDo something.\n")
    assert "Words at most, 100% of them. (default: 9)" in said


def test_the_rest_is_left_for_another_parser() -> None:
    @dataclass(frozen=True)
    class Own:
        out: str | None = None
        resume: bool = False

    own, rest = parse_known(Own, "dpo", ["fit", "--model.x-y", "-1", "--out=o", "--resume"])
    assert own == Own("o", True)
    assert rest == ["fit", "--model.x_y", "-1"]


def test_an_option_may_have_a_short_form() -> None:
    @dataclass(frozen=True)
    class Own:
        out: str
        number: int = field(default=20, metadata=SHORT)

    for line in (["--out", "c", "-n", "3"], ["-n3", "--out", "c"], ["--number=3", "--out", "c"]):
        assert parse_options(Own, "thing", line) == Own("c", 3)
    with pytest.raises(InputError, match="field '--out': missing"):
        parse_options(Own, "thing", ["-n", "3"])


@dataclass(frozen=True)
class Remote:
    """A server."""

    variable: str = field(default="KEY", metadata=ONLY_TYPED)
    """Name of a secret."""


@dataclass(frozen=True)
class Asking:
    """Ask a server."""

    server: Remote | None = None
    """The server."""


def test_a_file_cannot_set_what_must_be_typed(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("server:\n  variable: SECRET\n")
    refused = "yaml:2: field 'server.variable': a file may not set it"
    with pytest.raises(InputError, match=refused) as caught:
        parse_options(Asking, "ask", ["-c", str(path)])
    assert "SECRET" not in str(caught.value)
    line = ["-c", str(path), "--server-variable", "SECRET"]
    assert parse_options(Asking, "ask", line) == Asking(Remote("SECRET"))
    path.write_text("server:\n  variable: KEY\n")
    assert parse_options(Asking, "ask", ["-c", str(path)]) == Asking(Remote())
