"""Dataclasses read from mappings and files: types, ranges, and errors that name everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from relgen.common.configuration import checks_numbers, field_helps, merged, read, read_merged
from relgen.common.errors import InputError
from relgen.common.ranges import NonNegativeFloat, PositiveInt, Share


@dataclass(frozen=True)
class Files:
    """Two files."""

    train: str
    test: str


@dataclass(frozen=True)
class Server:
    """A server."""

    url: str = "http://x"
    tries: PositiveInt = 3

    def __post_init__(self) -> None:
        if self.url == "bad":
            raise InputError("is no address", field="server.url", value=self.url)


@dataclass(frozen=True)
class Settings:
    """Some settings."""

    corpus: Literal["a", "b"] | Files
    """Corpus to read."""
    shots: PositiveInt = 8
    """Samples
    of a relation.
    """
    share: Share = 0.5
    seeds: tuple[int, ...] = (1,)
    server: Server | None = None
    within: Server = Server()
    shares: dict[Literal["x", "y"], NonNegativeFloat] = field(default_factory=dict)
    on: bool = True
    name: str = "n"


def test_reads_what_a_file_holds() -> None:
    values = {"corpus": {"train": "t", "test": "u"}, "seeds": [1, 2], "server": {"tries": 2}}
    made = read(Settings, {**values, "within": {"url": "http://y"}, "shares": {"x": 1}})
    assert made == Settings(
        corpus=Files("t", "u"),
        seeds=(1, 2),
        server=Server(tries=2),
        within=Server("http://y"),
        shares={"x": 1.0},
    )
    assert type(made.shots) is type(made.within.tries) is int
    assert read(Settings, {"corpus": "a", "server": None}) == Settings("a")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shotz": 1}, "field 'shotz': unknown key (got 1); did you mean 'shots'?"),
        ({"server": {"urls": 1}}, "field 'server.urls': unknown key (got 1); did you mean 'url'?"),
        ({"within": {"tri": 1}}, "field 'within.tri': unknown key (got 1); did you mean 'tries'?"),
        ({"shots": 0}, "field 'shots': must be a whole number above 0 (got 0)"),
        ({"shots": 2.5}, "field 'shots': must be a whole number above 0 (got 2.5)"),
        ({"shots": True}, "field 'shots': must be a whole number above 0 (got True)"),
        ({"shots": None}, "field 'shots': must be a whole number above 0 (got None)"),
        ({"share": float("nan")}, "must be a number above 0 and of at most 1 (got nan)"),
        ({"seeds": 1}, "field 'seeds': must be a list of whole numbers (got 1)"),
        ({"server": 3}, "field 'server': must be a mapping or null (got 3)"),
        ({"within": 3}, "field 'within': must be a mapping (got 3)"),
        ({"server": {"tries": None}}, "field 'server.tries': must be a whole number above 0"),
        (
            {"shares": {"x": float("inf")}},
            "each value a number of at least 0, and finite (got {'x': inf})",
        ),
        ({"shares": {1: 1}}, "field 'shares.1': unknown key (got 1); known: x, y"),
        ({"server": {"tries": 0}}, "field 'server.tries': must be a whole number above 0 (got 0)"),
        ({"server": {"url": "bad"}}, "field 'server.url': is no address (got 'bad')"),
        ({"shares": {"z": 1}}, "field 'shares.z': unknown key (got 1); known: x, y"),
        ({"shares": {"x": -1}}, "each value a number of at least 0 (got {'x': -1})"),
        ({"on": 1}, "field 'on': must be true or false (got 1)"),
        ({"name": 7}, "field 'name': must be a string (got 7)"),
        ({"corpus": "c"}, "field 'corpus': must be one of a, b or a mapping (got 'c')"),
        ({"corpus": {"train": "t"}}, "field 'corpus.test': missing"),
    ],
)
def test_refuses(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(Settings, {"corpus": "a", **values})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_must_be_given() -> None:
    with pytest.raises(InputError, match=r"^field 'corpus': missing$"):
        read(Settings, {})


def test_a_file_and_values_over_it(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("corpus: a\nserver:\n  url: http://z\n  tries: 0\n", encoding="utf-8")
    values = read_merged([path])
    made = read(Settings, merged(values, {"server": {"tries": 5}}), paths=[path])
    assert made.server == Server("http://z", 5)
    with pytest.raises(InputError, match=r"s\.yaml:4: field 'server.tries': must be a whole"):
        read(Settings, values, paths=[path])
    # the file is not to blame for what stands over it
    with pytest.raises(InputError, match=r"^field 'shots': must be"):
        read(Settings, {"corpus": "a", "shots": 0}, paths=[path], given={"shots"})


def test_help_is_the_docstring_below_a_field() -> None:
    helps = field_helps(Settings)
    assert helps["corpus"] == "Corpus to read."
    assert helps["shots"] == "Samples of a relation."


def test_mappings_are_merged_key_by_key() -> None:
    assert merged({"a": 1, "b": {"c": 1, "d": 1}}, {"b": {"d": 2}}) == {
        "a": 1,
        "b": {"c": 1, "d": 2},
    }


class Trained:
    @checks_numbers
    def __init__(self, name: str, steps: PositiveInt, rate: NonNegativeFloat | None = None) -> None:
        self.given = name, steps, rate


def test_a_constructor_checks_and_converts_its_numbers() -> None:
    made = Trained("x", steps=PositiveInt(3), rate=1)
    assert [type(value) for value in made.given] == [str, int, float]
    assert Trained("x", 1).given == ("x", 1, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "field 'steps': must be a whole number above 0 (got 0)"),
        ({"steps": None}, "field 'steps': must be a whole number above 0 (got None)"),
        (
            {"steps": 1, "rate": float("inf")},
            "field 'rate': must be a number of at least 0 or null",
        ),
    ],
)
def test_a_constructor_refuses_numbers_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        Trained("x", **values)
    assert message in str(raised.value)
