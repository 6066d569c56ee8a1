"""TACRED's array: inclusive ends, codes in mentions, malformed records, sizes of splits."""

import json

import pytest

from relgen.common.errors import CombinedInputError, InputError
from relgen.data.corpora import read_corpus, tacred
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

read = reader("tacred")


#          0       1        2       3        4        5      6      7
TOKENS = ["Acme", "-LRB-", "Bern", "-RRB-", "hired", "Ann", "Lee", "."]
RECORD = {
    "id": "a1",
    "docid": "x",
    "token": TOKENS,
    "subj_start": 0,
    "subj_end": 0,
    "subj_type": "ORGANIZATION",
    "obj_start": 5,
    "obj_end": 6,
    "obj_type": "PERSON",
    "relation": "org:top_members/employees",
    "stanford_pos": ["NNP"] * 8,
}


def _file(tmp_path, content, name="train.json"):
    path = tmp_path / name
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_the_subject_is_the_head_and_ends_are_inclusive(tmp_path):
    assert list(read(_file(tmp_path, [RECORD]))) == [
        Sample(
            "a1",
            "Acme ( Bern ) hired Ann Lee .",
            Entity(0, 4, "ORGANIZATION"),
            Entity(20, 27, "PERSON"),
            "org:top_members/employees",
        )
    ]


@pytest.mark.parametrize(
    ("subject", "object_", "head", "tail"),
    [
        ((0, 3), (5, 5), (0, 13, "Acme ( Bern )"), (20, 23, "Ann")),
        ((2, 3), (0, 0), (7, 13, "Bern )"), (0, 4, "Acme")),
        ((7, 7), (1, 1), (28, 29, "."), (5, 6, "(")),
        ((0, 3), (4, 7), (0, 13, "Acme ( Bern )"), (14, 29, "hired Ann Lee .")),
    ],
)
def test_mentions_with_codes_of_several_tokens(tmp_path, subject, object_, head, tail):
    record = {
        **RECORD,
        "subj_start": subject[0],
        "subj_end": subject[1],
        "obj_start": object_[0],
        "obj_end": object_[1],
    }
    (sample,) = read(_file(tmp_path, [record]))
    assert (sample.head.start, sample.head.end, sample.head_text) == head
    assert (sample.tail.start, sample.tail.end, sample.tail_text) == tail


def test_quotes_and_escapes(tmp_path):
    tokens = ["``", "A\\/B", "''", "-LSB-", "`", "C", "'", "-RSB-"]
    record = {**RECORD, "token": tokens, "subj_start": 0, "subj_end": 2, "obj_end": 5}
    (sample,) = read(_file(tmp_path, [record]))
    assert sample.text == "\" A/B \" [ ' C ' ]"
    assert (sample.head, sample.head_text) == (Entity(0, 7, "ORGANIZATION"), '" A/B "')
    assert (sample.tail, sample.tail_text) == (Entity(12, 13, "PERSON"), "C")


def test_types_may_be_left_out(tmp_path):
    record = {key: value for key, value in RECORD.items() if not key.endswith("_type")}
    (sample,) = read(_file(tmp_path, [record]))
    assert (sample.head.type, sample.tail.type) == (None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obj_end": 8}, r"'obj_start': token indices .* <= end < 8, .*\(got \[5, 8\]"),
        ({"obj_end": 4}, r"'obj_start': token indices must satisfy.*\(got \[5, 4\]"),
        ({"subj_start": -1}, r"'subj_start': token indices.*\(got \[-1, 0\]"),
        ({"subj_start": "0"}, "field 'subj_start': must be a whole number .got '0'"),
        ({"obj_end": None}, r"field 'obj_end': missing .got \['id'"),
        ({"obj_end": True}, "field 'obj_end': must be a whole number .got True"),
        ({"subj_type": 3}, "field 'subj_type': must be a non-empty string .got 3"),
        ({"obj_type": ""}, "field 'obj_type': must be a non-empty string .got ''"),
        ({"relation": None}, "field 'relation': missing .got"),
        ({"relation": " "}, "field 'relation': must be a non-empty string"),
        ({"token": None}, "field 'token': must be a list of strings"),
        ({"token": []}, "field 'token': must be a list of strings, and not empty"),
    ],
)
def test_a_malformed_record_is_named_by_its_id(tmp_path, change, message):
    path = _file(tmp_path, [RECORD, {**RECORD, "id": "b2", **change}])
    with pytest.raises(InputError, match=message) as caught:
        list(read(path))
    assert str(caught.value).startswith(f"{path}: record b2: field ")
    assert str(caught.value).endswith(
        "correct it, or skip malformed records: relgen data convert --skip-bad"
    )
    assert "\n" not in str(caught.value)
    checks = RecordChecks(path, skip_bad=True)
    assert [x.id for x in read(path, checks=checks)] == ["a1"]
    assert (checks.read, checks.skipped) == (1, 1)


def test_records_without_an_id_are_named_by_their_number(tmp_path):
    for record in ({**RECORD, "id": 7}, "text"):
        with pytest.raises(InputError, match=r"record \[2\]: .*(a non-empty string|a JSON object)"):
            list(read(_file(tmp_path, [RECORD, record])))


def test_ids_that_stand_twice_and_several_errors(tmp_path):
    path = _file(tmp_path, [RECORD, RECORD, {**RECORD, "id": "c", "obj_end": 9}])
    with pytest.raises(CombinedInputError) as caught:
        list(read(path))
    first, second = str(caught.value).splitlines()
    assert "record a1: field 'id': the same id as record [1] (got 'a1')" in first
    assert "record c: field 'obj_start'" in second


def test_other_documents_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"train\.json: must be an array .*got 'dict'.*opennre"):
        list(read(_file(tmp_path, RECORD)))
    with pytest.raises(InputError, match="no records are in this file; give TACRED's train"):
        list(read(_file(tmp_path, [])))


def test_knowprompts_files_give_the_same_sample(tmp_path):
    row = {
        "token": TOKENS,
        "h": {"name": "Acme -LRB- Bern -RRB-", "pos": [0, 4]},
        "t": {"name": "Ann Lee", "pos": [5, 7]},
        "relation": "NA",
    }
    (sample,) = read_corpus("opennre", RecordChecks(_file(tmp_path, row, "train.txt")))
    assert sample.text == "Acme ( Bern ) hired Ann Lee ."
    assert (sample.head, sample.head_text) == (Entity(0, 13), "Acme ( Bern )")
    assert (sample.tail, sample.tail_text) == (Entity(20, 27), "Ann Lee")


@pytest.mark.parametrize(
    ("name", "split_name", "read", "kept", "odd"),
    [
        ("train.json", None, 68124, None, None),
        ("dev.json", None, 22631, None, None),
        ("test.json", None, 15509, None, None),
        ("dev_rev.json", None, 22631, None, None),
        # already patched by Re-TACRED's own script
        ("train.json", None, 58465, None, None),
        ("train.json", None, 68124, 58465, None),
        ("dev.json", None, 22631, 19584, None),
        ("test.json", None, 15509, 13418, None),
        ("mine.json", None, 22631, 19584, None),
        ("mine.json", "val", 22631, None, None),
        (
            "tacred-test.json",
            None,
            1234,
            None,
            "tacred-test.json: 1,234 samples, while TACRED has 15,509 (test) and Re-TACRED "
            "13,418 (test): an incomplete or other copy",
        ),
        (
            "train.json",
            "dev",
            68124,
            None,
            "train.json: 68,124 samples (the size of train), while TACRED has 22,631 (dev) and "
            "Re-TACRED 19,584 (dev): an incomplete or other copy",
        ),
        (
            "latest.json",
            None,
            3,
            None,
            "latest.json: 3 samples, while TACRED has 68,124 (train), 22,631 (dev), 15,509 (test) "
            "and Re-TACRED 58,465 (train), 19,584 (dev), 13,418 (test): an incomplete or other "
            "copy",
        ),
        (
            "mine.json",
            None,
            22631,
            5,
            "mine.json: the patch leaves 5 samples, while the dev split of Re-TACRED has 19,584: "
            "an incomplete or other patch",
        ),
        (
            "train.json",
            None,
            68124,
            58000,
            "train.json: the patch leaves 58,000 samples, while the train split of Re-TACRED has "
            "58,465: an incomplete or other patch",
        ),
    ],
)
def test_sizes_of_splits(name, split_name, read, kept, odd):
    assert tacred.unusual_tacred_size(name, split_name, read=read, kept=kept) == odd
