"""Tables and files of annotation tools are named, by whichever reader meets them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from relgen.common.errors import InputError
from relgen.data.corpora import read_corpus
from relgen.data.file_kinds import file_kind
from relgen.data.samples import read_samples
from relgen.data.validation import RecordChecks

TEXT = "Kite Press was founded by Olu Ade."
SPANS = [{"start": 0, "end": 10, "label": "ORG"}, {"start": 26, "end": 33, "label": "PER"}]
TOKENS = TEXT.replace(".", " .").split()
NAMED = {
    "doccano": {"id": 1, "text": TEXT, "entities": [], "relations": [{"id": 5, "from_id": 1}]},
    "Prodigy": {"text": TEXT, "spans": SPANS, "relations": [{"head": 1, "child": 6}]},
    "SpERT": {"tokens": TOKENS, "entities": [{"start": 0}], "relations": [{"head": 0}]},
    "SciERC": {"sentences": [TOKENS], "ner": [[[0, 1, "O"]]], "relations": [[[0, 1, 5, 6, "f"]]]},
    "Label Studio": {"data": {"text": TEXT}, "annotations": [{"result": [{"id": "a"}]}]},
    "DocRED": {"sents": [TOKENS], "vertexSet": [[{"name": "Kite Press"}]]},
}
FORMS = {
    tool: f"; relgen data convert --format {tool.replace(' ', '').lower()}"
    for tool in ("doccano", "Prodigy", "SpERT", "Label Studio")
} | {"SciERC": "; relgen data convert --format dygie"}
LINES = {
    "WebAnno TSV": "#FORMAT=WebAnno TSV 3.3\n",
    "PubTator": "123|t|A title.\n",
    "standoff file of brat": "T1\tORG 0 10\tKite Press\n",
    "OpenNRE's older table": f"m.0a1\tm.0b2\tkite_press\tolu_ade\tfounded_by\t{TEXT} ###END###\n",
    "SemEval-2010 Task 8": '8\t"<e1>People</e1> moved <e2>downtown</e2>."\nOther\n',
    "tagged text": "founded_by\t<tail>Ann</tail> started <head>Acme</head>.\n",
    "KLUE-RE": json.dumps({"sentence": TEXT, "subject_entity": {"start_idx": 0}}) + "\n",
}


def read(path: Path, form: str) -> list[object]:
    return list(read_corpus(form, RecordChecks(path)))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("tool", NAMED)
@pytest.mark.parametrize("form", ["jsonl", "opennre", "hub"])
def test_records_of_a_tool_are_one_line_that_names_it(tool: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / ("export.json" if form == "hub" else "export.jsonl")
    path.write_text(json.dumps(NAMED[tool]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"export.jsonl?: this is .*{tool}") as caught:
        read(path, form)
    assert FORMS.get(tool, "<head>…</head>") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tool", LINES)
def test_lines_of_a_tool_are_one_line_that_names_it(tool: str, tmp_path: Path) -> None:
    path = tmp_path / "export.txt"
    path.write_text(LINES[tool] * 3, encoding="utf-8")
    with pytest.raises(InputError, match=f"^{path}: this is .*{tool}") as caught:
        read_samples(path)
    assert "relgen data convert --format" in str(caught.value)
    assert "\n" not in str(caught.value)


HEADER, ROW = "text,head,tail,relation\n", "Ann runs Bolt.,Ann,Bolt,r\n"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", HEADER + ROW, "csv"),
        ("a.jsonl", HEADER + ROW, "csv"),
        ("a", "\ufeffSatz;Kopf;Ende;Art\n\nAnn leitet Bolt.;Ann;Bolt;r\n", "csv"),
        ("a", "text,relation\nText with <head>Ann</head> and <tail>Bolt</tail>,r\n", "csv"),
        ("a", HEADER.replace(",", "\t") + ROW.replace(",", "\t"), "tsv"),
        ("a.csv", '[{"text": 1}]', "json"),
        ("a", "[\n  {\n", "json"),
        ("a.csv", '{"id": 1, "text": "a", "head": "b"}\n', "jsonl"),
        ("a", "[id],[text],[head]\n1,2,3\n", "csv"),
        ("a", "In Turin, Ada Conti, a woman, started Lumina.\nMei Tan, a cook, runs it.\n", None),
        ("a.csv", "Ann runs Bolt.,Ann,Bolt,r\nCem runs Dart.,Cem,Dart,r\n", None),
        ("a", "One line\nand another\n", None),
        ("a", "", None),
    ],
)
def test_what_a_file_is(tmp_path: Path, name: str, content: str, kind: str | None) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert file_kind(path) == kind


def test_a_line_may_be_longer_than_a_cell_of_csv(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text(f"1|t|A title.\n1|a|{'long ' * 30_000}\n", encoding="utf-8")
    limit = csv.field_size_limit(131_072)
    try:
        assert file_kind(path) is None
    finally:
        csv.field_size_limit(limit)


def test_binary_tables_are_known_by_their_content(tmp_path: Path) -> None:
    workbook, parquet, archive = (tmp_path / name for name in ("a.csv", "b", "c.xlsx"))
    Workbook().save(workbook)
    pq.write_table(pa.table({"text": ["a"]}), parquet)
    with ZipFile(archive, "w") as files:
        files.writestr("a.txt", "a")
    assert [file_kind(path) for path in (workbook, parquet, archive, tmp_path)] == [
        "xlsx",
        "parquet",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("form", "content", "said"),
    [
        ("xlsx", HEADER + ROW, "a table, which --format xlsx does not read; .*--format csv"),
        ("tsv", HEADER + ROW, "a table, which --format tsv does not read; .*--format csv"),
        ("parquet", '{"text": 1}\n', "lines of JSON, which --format parquet .*--format jsonl"),
        ("csv", '[{"text": 1}]', "a JSON array, which --format csv .*--format json"),
        ("json", HEADER + ROW, "a table, which --format json does not read; .*--format csv"),
    ],
)
def test_a_format_names_the_right_one(tmp_path: Path, form: str, content: str, said: str) -> None:
    path = tmp_path / "t"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=f"^{path}: this is {said}$"):
        read(path, form)


def test_text_in_other_lines_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("Ann runs Bolt.\nCem runs Dart.\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"t\.txt:1: this is another format.*got 'Ann ") as caught:
        read_samples(path)
    assert "\n" not in str(caught.value)
