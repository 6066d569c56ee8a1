"""Whatever reads samples names a table in one line, with the command that converts it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from relgen.cli.main import main, run

NAMES = ("text", "head", "tail", "relation")
ROWS = [
    (f"{who} runs {what}.", who, what, "runs")
    for who, what in (("Ann", "Bolt"), ("Cem", "Dart"), ("Eva", "Fern"), ("Gil", "Husk"))
]
COMMANDS = {
    "split": "data split TABLE --shots 1 --out OUT",
    "chains": "chains TABLE --schema everyday --out OUT",
    "diversity": "diversity TABLE",
    "review": "review TABLE --out OUT.jsonl",
    "label": "label s.jsonl --train TABLE --schema everyday --out OUT",
    "suggest": "suggest --train TABLE --errors --schema everyday",
    "generate": "generate -c generate/smollm2_obo --train TABLE --schema everyday --out OUT",
    "direct": "direct --train TABLE --test TABLE --schema everyday --model none --out OUT",
    "card": "data card TABLE --schema everyday --license mit --out OUT",
}


def table(folder: Path, kind: str) -> Path:
    path = folder / f"sheet.{kind}"
    if kind == "xlsx":
        book = Workbook()
        for row in (NAMES, *ROWS):
            book.active.append(row)
        book.save(path)
    elif kind == "parquet":
        pq.write_table(pa.table(dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))), path)
    else:
        mark = "\t" if kind == "tsv" else ","
        path.write_text("".join(f"{mark.join(row)}\n" for row in (NAMES, *ROWS)), encoding="utf-8")
    return path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_each_command_says_how_to_convert_a_table(
    command: str,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = table(tmp_path, kind)
    Path("s.jsonl").write_text("", encoding="utf-8")
    assert main(COMMANDS[command].replace("TABLE", path.name).split()) == 2
    error = capsys.readouterr().err
    what = {"csv": "a table", "xlsx": "an Excel workbook"}[kind]
    assert error.startswith(f"{path.name}: ")
    assert error.endswith(
        f"this is {what}, where one JSON object per line is expected; convert it first: relgen "
        f"data convert {path.name} --format {kind} --out sheet.jsonl\n"
    )
    assert error.count("\n") == 1


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx", "parquet"])
def test_the_named_command_converts_it(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = table(tmp_path, kind), tmp_path / "out"
    assert main(["data", "split", str(path), "--shots", "1", "--out", str(out)]) == 2
    _, _, line = capsys.readouterr().err.partition("convert it first: relgen ")
    run(shlex.split(line))
    assert capsys.readouterr().out == f"4 samples of 1 relation -> {tmp_path / 'sheet.jsonl'}\n"
    run(["data", "split", str(tmp_path / "sheet.jsonl"), "--shots", "1", "--out", str(out)])
