"""SemEval's files: records built here, and all 10,717 official ones where they are."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from relgen.common.errors import CombinedInputError, InputError
from relgen.data.samples import Entity, Sample
from relgen.data.schema import load_schema
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

read = reader("semeval")


RECORD = (
    '8\t"<e1>People</e1> have moved into <e2>downtown</e2>."\nEntity-Destination(e1,e2)\nComment:'
)

# the histogram that Hendrickx et al. 2010 and the release's own files give
TRAIN = {
    "Other": 1410,
    "Cause-Effect(e1,e2)": 344,
    "Cause-Effect(e2,e1)": 659,
    "Instrument-Agency(e1,e2)": 97,
    "Instrument-Agency(e2,e1)": 407,
    "Product-Producer(e1,e2)": 323,
    "Product-Producer(e2,e1)": 394,
    "Content-Container(e1,e2)": 374,
    "Content-Container(e2,e1)": 166,
    "Entity-Origin(e1,e2)": 568,
    "Entity-Origin(e2,e1)": 148,
    "Entity-Destination(e1,e2)": 844,
    "Entity-Destination(e2,e1)": 1,
    "Component-Whole(e1,e2)": 470,
    "Component-Whole(e2,e1)": 471,
    "Member-Collection(e1,e2)": 78,
    "Member-Collection(e2,e1)": 612,
    "Message-Topic(e1,e2)": 490,
    "Message-Topic(e2,e1)": 144,
}
TEST_UNDIRECTED = {
    "Other": 454,
    "Cause-Effect": 328,
    "Instrument-Agency": 156,
    "Product-Producer": 231,
    "Content-Container": 192,
    "Entity-Origin": 258,
    "Entity-Destination": 292,
    "Component-Whole": 312,
    "Member-Collection": 233,
    "Message-Topic": 261,
}


def _file(tmp_path: Path, *records: str, end: str = "\r\n") -> Path:
    path = tmp_path / "TRAIN_FILE.TXT"
    path.write_bytes("".join(f"{record}\n\n" for record in records).replace("\n", end).encode())
    return path


@pytest.fixture(scope="module")
def folder() -> Path:
    root = os.environ.get("RELGEN_DATA")
    if not root or not (Path(root) / "semeval2010_task8").is_dir():
        pytest.skip("RELGEN_DATA does not hold semeval2010_task8")
    return Path(root) / "semeval2010_task8"


def test_reads_a_record(tmp_path):
    assert list(read(_file(tmp_path, RECORD))) == [
        Sample(
            "semeval-train-8",
            "People have moved into downtown.",
            Entity(0, 6),
            Entity(23, 31),
            "Entity-Destination(e1,e2)",
        )
    ]


def test_quotation_marks_and_odd_spacing_within_the_outer_pair_stay(tmp_path):
    record = (
        '20 ""Any time," he told the <e1>boy</e1>  in the <e2>desk</e2> ."\nOther\nComment: a <e2>b'
    )
    (sample,) = read(_file(tmp_path, record, end="\n"))
    assert sample.text == '"Any time," he told the boy  in the desk .'
    assert (sample.head_text, sample.tail_text) == ("boy", "desk")


def test_adjacent_entities_do_not_cross(tmp_path):
    record = '5\t"The <e1>crane</e1><e2>arm</e2> fell."\nComponent-Whole(e2,e1)\nComment:'
    (sample,) = read(_file(tmp_path, record))
    assert (sample.head, sample.tail) == (Entity(4, 9), Entity(9, 12))


def test_ids_follow_the_number_unless_a_split_is_named(tmp_path):
    path = _file(tmp_path, RECORD, RECORD.replace("8\t", "8001\t", 1))
    assert [s.id for s in read(path)] == ["semeval-train-8", "semeval-test-8001"]
    assert [s.id for s in read(path, split_name="x")] == ["semeval-x-8", "semeval-x-8001"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (RECORD.replace("8\t", "eight\t"), "a record must begin with a number.*'eight"),
        (RECORD.replace('"', ""), "a quoted sentence"),
        (RECORD.replace("<e2>", ""), "field 'sentence': <e2> is missing"),
        (RECORD.replace("</e1>", ""), "field 'sentence': </e1> is missing"),
        (RECORD.replace("moved", "<e1>moved</e1>"), "<e1> occurs twice"),
        (RECORD.replace("<e1>People</e1>", "<e1></e1>People"), r"field 'head'.*\[0, 0\]"),
        (RECORD.replace("(e1,e2)", "(e1,e3)"), r"field 'relation'.*'Entity-Destination\(e1,e3\)'"),
        (RECORD.splitlines()[0], "the line with the label is missing.*TEST_FILE_FULL"),
        (RECORD.replace("Comment:", "x"), "third line must be a comment.*'x'"),
        (RECORD + "\n9\t", "a blank line must follow a record"),
    ],
)
def test_a_malformed_record_names_its_line(tmp_path, record, message):
    path = _file(tmp_path, RECORD, record.replace("8\t", "9\t", 1))
    with pytest.raises(InputError, match=message) as caught:
        list(read(path))
    assert str(caught.value).startswith(f"{path}:5: ")
    assert ";" in str(caught.value)


def test_skip_bad_counts(tmp_path):
    path = _file(tmp_path, "junk", RECORD, RECORD)
    with pytest.raises(CombinedInputError, match="the same id as line 3"):
        list(read(path))
    checks = RecordChecks(path, skip_bad=True)
    assert len(list(read(path, checks=checks))) == 1
    assert (checks.read, checks.skipped) == (1, 2)


def test_an_empty_file_names_the_official_ones(tmp_path):
    with pytest.raises(
        InputError, match="no records are in this file; give the official TRAIN_FILE"
    ):
        list(read(_file(tmp_path)))


@pytest.mark.data
def test_the_official_training_file(folder):
    samples = list(read(folder))
    assert [sample.id for sample in samples] == [f"semeval-train-{n}" for n in range(1, 8001)]
    assert Counter(sample.relation for sample in samples) == TRAIN


@pytest.mark.data
def test_the_official_test_file(folder):
    samples = list(read(folder, split_name="test"))
    assert [sample.id for sample in samples] == [f"semeval-test-{n}" for n in range(8001, 10718)]
    counts = Counter(sample.relation.partition("(")[0] for sample in samples)
    assert counts == TEST_UNDIRECTED


@pytest.mark.data
@pytest.mark.parametrize("name", ["TRAIN_FILE.TXT", "TEST_FILE_FULL.TXT"])
def test_every_official_sentence_is_its_source_without_tags(folder, name):
    lines = (folder / name).read_bytes().decode("ascii").split("\r\n")
    sources = {line.partition("\t")[0]: line.partition("\t")[2] for line in lines[::4]}
    schema = load_schema("semeval")
    for sample in read(folder / name):
        source = sources.pop(sample.id.rpartition("-")[2])
        assert f'"{sample.text}"' == re.sub(r"</?e[12]>", "", source)
        assert f"<e1>{sample.head_text}</e1>" in source
        assert f"<e2>{sample.tail_text}</e2>" in source
        assert sample.head.end <= sample.tail.start
        assert sample.relation in schema
    assert sources == {"": ""}
