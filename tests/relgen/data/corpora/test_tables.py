"""CSV, TSV, xlsx, Parquet and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, Value
from openpyxl import Workbook

from relgen.common.errors import InputError
from relgen.data.corpora import read_corpus
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

TEXT = 'Ann said "hi", in Bern.'
ROW = {"text": TEXT, "head": "Ann", "tail": "Bern", "relation": "NA"}
EXPECTED = [("Ann", "Bern", "NA"), ("Bern", "Ann", "null")]
KLUE = {
    "guid": "klue-1",
    "sentence": "김민수는 한빛소프트를 설립했다.",
    "subject_entity": {"word": "한빛소프트", "start_idx": 5, "end_idx": 9, "type": "ORG"},
    "object_entity": {"word": "김민수", "start_idx": 0, "end_idx": 2, "type": "PER"},
    "label": "org:founded_by",
}


def _write(
    path: Path,
    rows: Sequence[dict[str, str]] = (
        ROW,
        {**ROW, "head": "Bern", "tail": "Ann", "relation": "null"},
    ),
) -> Path:
    """Write the rows as the path's ending says."""
    kind = path.suffix[1:]
    if kind in ("csv", "tsv"):
        sign = "," if kind == "csv" else "\t"
        lines = [sign.join(ROW)]
        lines += [
            sign.join(['"{}"'.format(row["text"].replace('"', '""')), *list(row.values())[1:]])
            for row in rows
        ]
        path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    elif kind == "xlsx":
        book = Workbook()
        for cells in (list(ROW), *(list(row.values()) for row in rows)):
            book.active.append(cells)
        book.save(path)
    elif kind == "parquet":
        Dataset.from_list(list(rows)).to_parquet(path)
    else:
        path.write_text(json.dumps(list(rows), indent=1), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx", "parquet", "json"])
def test_every_kind_and_labels_that_look_like_missing_values(kind: str, tmp_path: Path) -> None:
    path = _write(tmp_path / f"t.{kind}")
    for name in (kind, "hub"):
        samples = list(reader(name)(path))
        assert [(s.head_text, s.tail_text, s.relation) for s in samples] == EXPECTED
        assert {s.text for s in samples} == {TEXT}


WORDS = ("NA", "null", "None", "NaN", "n/a", "-", "true", "1")


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx", "parquet", "json"])
def test_mentions_and_labels_that_look_like_other_values(kind: str, tmp_path: Path) -> None:
    rows = [
        {"text": f"So {word} is by Bern.", "head": word, "tail": "Bern", "relation": word}
        for word in WORDS
    ]
    path = _write(tmp_path / f"t.{kind}", rows)
    for name in (kind, "hub"):
        samples = list(reader(name)(path))
        assert [(s.head_text, s.relation) for s in samples] == [(word, word) for word in WORDS]
    if kind in ("csv", "parquet", "json"):  # through `datasets`, too
        (folder := tmp_path / "corpus").mkdir()
        path.rename(folder / f"train.{kind}")
        samples = list(reader("hub")(folder))
        assert [(s.head_text, s.relation) for s in samples] == [(word, word) for word in WORDS]


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx", "parquet", "json"])
def test_a_malformed_row_is_named(kind: str, tmp_path: Path) -> None:
    path = _write(tmp_path / f"t.{kind}")
    place = {"csv": ":3", "tsv": ":3", "xlsx": ":3"}.get(kind, r": record \[2\]")
    with pytest.raises(InputError, match=rf"t\.{kind}{place}: .*is not in the text \(got 'null'\)"):
        list(reader(kind)(path, columns={"head": "relation"}))
    checks = RecordChecks(path, skip_bad=True)
    with pytest.raises(InputError, match="all 2 records are malformed"):
        list(reader(kind)(path, columns={"head": "relation"}, checks=checks))


@pytest.mark.parametrize(
    ("kind", "content", "texts"),
    [
        ("csv", "text;relation\n<e1>a;b</e1> c <e2>d</e2>;r\n", None),
        ("csv", 'text;relation\n"<e1>a;b</e1> c <e2>d</e2>";r\n\n', ["a;b c d"]),
        ("csv", 'text,relation\n"<e1>a</e1>\nb <e2>c</e2>",r\n', ["a\nb c"]),
        # quotation marks that enclose no cell are part of the sentence
        ("tsv", 'text\trelation\n"<e1>A</e1>", said <e2>B</e2>.\tr\n', ['"A", said B.']),
        ("tsv", 'text\trelation\n"<e1>A</e1> ""x"" <e2>B</e2>"\tr\n', ['A "x" B']),
        (
            "tsv",
            'text\trelation\n"<e1>A</e1> saw <e2>B</e2>\tr\n<e1>C</e1> saw <e2>D</e2>"\tr\n',
            ['"A saw B', 'C saw D"'],
        ),
        ("tsv", 'text\tid\trelation\n"<e1>A</e1> <e2>B</e2>\t7"\tr\n', ['"A B']),
    ],
)
def test_separators_and_quotation_marks(
    kind: str, content: str, texts: list[str] | None, tmp_path: Path
) -> None:
    path = tmp_path / "t.txt"
    path.write_text(content, encoding="utf-8")
    if texts is None:
        with pytest.raises(InputError, match="3 cells, while the header names 2 columns"):
            list(reader(kind)(path))
    else:
        assert [sample.text for sample in reader(kind)(path)] == texts


@pytest.mark.parametrize(("kind", "sign"), [("csv", ";"), ("csv", ","), ("tsv", "\t")])
def test_a_line_that_tells_excel_the_separator(kind: str, sign: str, tmp_path: Path) -> None:
    rows = [("text", "head", "tail", "relation"), ("Ann saw Bo.", "Ann", "Bo", "saw")]
    path = tmp_path / "t.txt"
    lines = [f"sep={sign}", *(sign.join(row) for row in rows)]
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    (sample,) = reader(kind)(path)
    assert (sample.id, sample.head_text, sample.relation) == ("t-3", "Ann", "saw")


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("csv", "", "no header with names of columns"),
        ("csv", "text,text\n", r"two columns have this name \(got 'text'\)"),
        ("csv", 'text,relation\n"a" b,r\n', "t:2: the quotation marks cannot be read"),
        ("csv", "text,relation\n", "no records are in this file; name the columns with --columns"),
        ("xlsx", "text", "not an Excel workbook"),
        ("parquet", "text", "not a Parquet file"),
        ("json", '{"text":\n', "t:1: not valid JSON"),
        ("json", '[{"text": "a"}, 5]', "neither columns for head and tail, nor tags"),
        ("json", '[{"text": "a", "relation": "r"}, 5]', r"record \[2\]: must be a JSON object"),
    ],
)
def test_files_that_cannot_be_read(kind: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        list(reader(kind)(path))


def test_class_labels_of_a_parquet_file(tmp_path: Path) -> None:
    names = ClassLabel(names=["Other", "founded"])
    features = Features({"text": Value("string"), "relation": names})
    rows = [{"text": "<e1>a</e1> <e2>b</e2>", "relation": 1}]
    Dataset.from_list(rows, features=features).to_parquet(tmp_path / "t.parquet")
    (sample,) = reader("parquet")(tmp_path / "t.parquet")
    assert (sample.id, sample.relation) == ("t-1", "founded")


def test_klue_has_inclusive_ends_and_deepke_columns_of_starts(tmp_path: Path) -> None:
    for name, content in (("a", json.dumps([KLUE])), ("b", json.dumps(KLUE) + "\n")):
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert list(reader("klue")(tmp_path / name)) == [
            Sample("klue-1", KLUE["sentence"], Entity(5, 10, "ORG"), Entity(0, 3, "PER"),
                   "org:founded_by")
        ]  # fmt: skip
    path = tmp_path / "deepke.csv"
    header = "sentence,relation,head,head_offset,tail,tail_offset"
    path.write_text(f"{header}\n杨军接任大桥有色董事长,董事长,杨军,0,大桥有色,4\n", "utf-8")
    (sample,) = reader("deepke")(path)
    assert (sample.relation, sample.head, sample.tail) == ("董事长", Entity(0, 2), Entity(4, 8))
    path.write_text(f"{header}\n杨军接任大桥有色董事长,董事长,杨军,1,大桥有色,4\n", "utf-8")
    with pytest.raises(InputError, match=r"deepke.csv:2: .*are '军接' \(got '杨军'\)"):
        list(reader("deepke")(path))


HEADER = "text,head,tail,relation\n"
JOINED = {
    # a quotation mark begins a sentence, and another one ends a later sentence
    "two rows": ('"Ann runs Bolt,Ann,Bolt,r\nCem runs Dorn",Cem,Dorn,r\n', [2]),
    "three rows": ('"Ann ran Bolt,Ann,Bolt,r\nEva left,Eva,E,r\nCem ran Dorn",Cem,Dorn,r\n', [2]),
    "after others": (
        'Eva runs Finn,Eva,Finn,r\n\n"Ann runs Bolt,Ann,Bolt,r\nCem runs Dorn",Cem,Dorn,r\n',
        [4],
    ),
    "in another cell": ('Ann runs Bolt,"Ann,Bolt,r\nAnn,Bolt",Bolt,r\n', None),
    "a line break": ('"Ann runs\nBolt, she said",Ann,Bolt,r\n', []),
    "a comma": ('"Ann, so she said, runs\nBolt",Ann,Bolt,r\n', []),
    "whole quotation": ('"""Ann runs Bolt""",Ann,Bolt,r\n', []),
}


@pytest.mark.parametrize("case", JOINED)
def test_rows_that_a_quotation_mark_joins_are_said(case: str, tmp_path: Path) -> None:
    rows, lines = JOINED[case]
    path = tmp_path / "t.csv"
    path.write_text(HEADER + rows, encoding="utf-8")
    checks = RecordChecks(path)
    if lines is None:  # the mention is nowhere
        with pytest.raises(InputError, match="field 'head': is not in the text"):
            list(read_corpus("csv", checks))
        return
    list(read_corpus("csv", checks))
    assert checks.doubts == [
        f"{path}:{line}: a quotation mark at the start of a cell may have joined rows (1 such "
        "record); put the cell in quotation marks, and write its own ones twice"
        for line in lines
    ]
