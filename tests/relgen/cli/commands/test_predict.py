"""`relgen predict` from arguments to output."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.data.samples import write_samples
from tests.relgen.prediction.firms import save_firms, save_text
from tests.tiny.encoders import samples

pytestmark = pytest.mark.compute


def test_the_predictions_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_samples(tmp_path / "in.jsonl", samples(5))
    out = tmp_path / "p.jsonl"
    line = ["predict", save_firms(tmp_path), str(tmp_path / "in.jsonl"), "--threshold", "1"]
    capsys.readouterr()
    assert cli.main([*line, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"5 pairs: 5 none -> {out}\n"
    # without --out, the predictions are what is printed
    assert cli.main(line) == 0
    said = capsys.readouterr()
    assert said.out == out.read_text()
    assert said.err == "5 pairs: 5 none\n"
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write("{}\n")
    assert cli.main([*line, "--skip-bad"]) == 0
    assert capsys.readouterr().err == "1 malformed record left out\n5 pairs: 5 none\n"


def test_raw_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, names = save_text(tmp_path)
    line = ["predict", save_firms(tmp_path), text, "--entities", names]
    capsys.readouterr()
    assert cli.main([*line, "--abstain", "--threshold", "1"]) == 0
    said = capsys.readouterr()
    assert [json.loads(row)["relation"] for row in said.out.splitlines()] == [None, None]
    assert said.err == (
        "warning: the schema does not name these types of entities: EVENT (1); rename them with "
        "--types EVENT=…\n2 pairs: 2 without an answer\n"
    )


def test_raw_text_without_pairs_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, names = tmp_path / "raw.txt", tmp_path / "names.tsv"
    text.write_text("Ann met Ben.")
    model, said = save_firms(tmp_path), []
    for content in ("Ann;PERSON", "Ann\tPERSON\nBen\tPERSON"):
        names.write_text(content)
        capsys.readouterr()
        assert cli.main(["predict", model, str(text), "--entities", f"gazetteer:{names}"]) == 0
        said.append(capsys.readouterr().err)
    assert said == [
        "warning: no entities were found\n0 pairs: none\n",
        "warning: 2 entities were found, but no two in a sentence whose types some relation allows"
        "\n0 pairs: none\n",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"input": "{folder}/none.jsonl"}, "no such file"),
        ({"input": "{folder}"}, "this is in the folder of the input; give a folder outside"),
        ({"model": "{folder}"}, "no classifier in this folder"),
        ({"input": "{folder}/raw.txt"}, "head and tail are not marked.*give --entities"),
        ({"out": "{folder}/in.jsonl"}, "is an input of the command"),
        ({"out": "{folder}/raw.txt"}, "`relgen predict` has not written it"),
        ({"--threshold": "2"}, "'--threshold': must be a number from 0 to 1 or one of saved"),
        ({"--entities": "names"}, "no such source"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], said: str
) -> None:
    save_text(tmp_path)
    write_samples(tmp_path / "in.jsonl", samples(3))
    model = save_firms(tmp_path)
    capsys.readouterr()
    given = {"model": model, "input": "{folder}/in.jsonl", "out": "{folder}/p.jsonl"} | change
    given = {key: value.format(folder=tmp_path) for key, value in given.items()}
    line = ["predict", given.pop("model"), given.pop("input"), "--out", given.pop("out")]
    assert cli.main([*line, *(word for pair in given.items() for word in pair)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(said, error)
