"""OpenNRE's lines, by token and by character."""

import json

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader

read = reader("opennre")


TOKENS = {
    "token": ["Ann", "Lee", "lives", "in", "Bern", "."],
    "h": {"name": "ann lee", "id": "Q1", "pos": [0, 2]},
    "t": {"name": "bern", "id": "Q2", "pos": [4, 5]},
    "relation": "residence",
}
TEXT = {
    "text": "Ann Lee lives in Bern.",
    "h": {"name": "Ann Lee", "pos": [0, 7], "type": "PERSON"},
    "t": {"pos": [17, 21]},
    "relation": "residence",
}


def _file(tmp_path, *rows):
    path = tmp_path / "train.txt"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def test_token_offsets_become_characters(tmp_path):
    assert list(read(_file(tmp_path, TOKENS))) == [
        Sample(
            "opennre-train-1",
            "Ann Lee lives in Bern .",
            Entity(0, 7),
            Entity(17, 21),
            "residence",
        )
    ]


def test_an_array_is_read_as_its_lines_are(tmp_path):
    lines = list(read(_file(tmp_path, TOKENS, TEXT)))
    path = tmp_path / "train.txt"
    path.write_text(json.dumps([TOKENS, TEXT], indent=1), "utf-8")
    assert list(read(path)) == lines
    path.write_text(json.dumps([TOKENS, {**TEXT, "relation": 4}]), "utf-8")
    with pytest.raises(InputError, match=r"train.txt: record \[2\]: field 'relation'"):
        list(read(path))


def test_files_of_a_corpus_share_no_ids(tmp_path):
    """A split leaves out the training samples whose ids stand in the test file."""
    train = _file(tmp_path, TOKENS, TEXT)
    test = train.rename(tmp_path / "test.txt")
    train = _file(tmp_path, TOKENS, TEXT)
    ids = [{sample.id for sample in read(path)} for path in (train, test)]
    assert ids == [{"opennre-train-1", "opennre-train-2"}, {"opennre-test-1", "opennre-test-2"}]


def test_character_offsets_stay(tmp_path):
    (sample,) = read(_file(tmp_path, TEXT), split_name="val")
    assert sample == Sample(
        "opennre-val-1", TEXT["text"], Entity(0, 7, "PERSON"), Entity(17, 21), "residence"
    )


def test_ids_of_the_file_are_kept_and_must_differ(tmp_path):
    path = _file(tmp_path, {**TOKENS, "id": 7}, {**TEXT, "id": "x"})
    assert [sample.id for sample in read(path)] == ["7", "x"]
    with pytest.raises(InputError, match=r":2: field 'id': the same id as line 1 \(got 'x'"):
        list(read(_file(tmp_path, {**TOKENS, "id": "x"}, {**TEXT, "id": "x"})))


def test_names_that_differ_from_the_mention_are_no_error(tmp_path):
    row = {**TOKENS, "h": {"name": "Ann Mary Lee", "pos": [0, 2]}}
    (sample,) = read(_file(tmp_path, row))
    assert sample.head_text == "Ann Lee"


def _converted(tmp_path, row, counted):
    """Return the mentions of a line, of whose offsets something else is said than expected."""
    path = _file(tmp_path, row)
    checks = RecordChecks(path)
    (sample,) = read(path, checks=checks)
    assert checks.noted() == [
        f"1 record has offsets that count {counted}: converted; the first: line 1"
    ]
    return sample.head_text, sample.tail_text


def test_inclusive_ends_are_converted(tmp_path):
    row = {**TOKENS, "h": {"name": "Ann Lee", "pos": [0, 1]}, "t": {"name": "Bern", "pos": [4, 4]}}
    assert _converted(tmp_path, row, "inclusive ends") == ("Ann Lee", "Bern")
    spelled_otherwise = {**TOKENS, "h": {"name": "Ann-Lee", "pos": [0, 1]}}
    assert _converted(tmp_path, spelled_otherwise, "inclusive ends") == ("Ann Lee", "Bern")
    brackets = {
        "token": ["Acme", "-LRB-", "Bern", "-RRB-", "hired", "Ann"],
        "h": {"name": "Acme -LRB- Bern -RRB-", "pos": [0, 3]},
        "t": {"pos": [5, 6]},
        "relation": "r",
    }
    assert _converted(tmp_path, brackets, "inclusive ends") == ("Acme ( Bern )", "Ann")
    brackets["h"]["pos"] = [0, 4]
    (sample,) = read(_file(tmp_path, brackets))
    assert sample.head_text == "Acme ( Bern )"
    characters = {**TEXT, "h": {"name": "ann lee", "pos": [0, 6]}}
    assert _converted(tmp_path, characters, "inclusive ends") == ("Ann Lee", "Bern")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token": "Ann lives"}, "field 'token': must be a list of strings"),
        ({"token": []}, "field 'token': must be a list of strings, and not empty"),
        ({"token": ["Ann", 3]}, r"field 'token': must be a list .* \(got \['Ann', 3\]"),
        ({"h": None}, "field 'h': must be"),
        ({"h": {"pos": [0]}}, r"field 'h\.pos': must be \[start, end\].*\[0\]"),
        ({"h": {"pos": [0, "2"]}}, r"field 'h\.pos': must be \[start, end\]"),
        ({"h": {"pos": [0, 9]}}, r"field 'h\.pos': token offsets.*<= 6.*\[0, 9\]"),
        ({"relation": None}, "field 'relation': missing"),
        ({"relation": 4}, r"field 'relation': .*\(got 4\)"),
        ({"h": {"pos": [0, 2], "type": 1}}, r"field 'head\.type'"),
    ],
)
def test_a_malformed_line_names_line_field_and_value(tmp_path, change, message):
    path = _file(tmp_path, TEXT, {**TOKENS, **change})
    with pytest.raises(InputError, match=message) as caught:
        list(read(path))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert str(caught.value).endswith("--skip-bad")


@pytest.mark.parametrize("end", [[5, 6], (5, 6)])
def test_lines_in_pythons_notation(tmp_path, end):
    row = {
        "token": ["O'Neill", "did", "n't", "say", '"', "Bern", '"'],
        "h": {"name": "o'neill", "pos": [0, 1]},
        "t": {"name": "bern", "id": None, "pos": end},
        "relation": "residence",
    }
    path = tmp_path / "train.txt"
    path.write_text(f"{row!r}\n{json.dumps(row)}\n", "utf-8")
    first, second = read(path)
    assert (first.id, first.text) == ("opennre-train-1", "O'Neill did n't say \" Bern \"")
    assert (first.head_text, first.tail_text) == ("O'Neill", "Bern")
    assert (first.head, first.tail) == (second.head, second.tail)


def test_a_line_may_mix_the_two_notations(tmp_path):
    line = """{"token": ["Ann", "is", "n't", "here"], 'h': {'name': 'ann', 'pos': [0, 1]}, """
    line += """"t": {'pos': [3, 4]}, 'relation': "r"}"""
    (tmp_path / "train.txt").write_text(line + "\n", "utf-8")
    (sample,) = read(tmp_path / "train.txt")
    assert (sample.head_text, sample.tail_text) == ("Ann", "here")


def test_characters_where_tokens_are_counted_are_converted(tmp_path):
    words = "Barack was born in Honolulu in the year 1961 , they say , at noon and it rained ."
    row = {**TOKENS, "token": words.split(), "t": {"name": "Honolulu", "pos": [4, 5]}}
    row["h"] = {"name": "Barack", "pos": [0, 6]}  # of six words
    counted = "characters, where tokens are counted"
    assert _converted(tmp_path, row, counted) == ("Barack", "Honolulu")
    row["h"] |= {"pos": [0, 1]}
    row["t"] |= {"pos": [19, 27]}  # beyond the tokens
    assert _converted(tmp_path, row, counted) == ("Barack", "Honolulu")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (TOKENS, r"h\.pos': the tokens at its offsets are 'Bern' .*it is at the tokens \[0, 2\]"),
        (TEXT, r"h\.pos': the characters at its offsets are 'Bern' .*in the text at \[0, 7\]"),
    ],
)
def test_names_that_are_elsewhere_in_the_text_are_refused(tmp_path, row, message):
    row = {**row, "h": {**row["t"], "name": "Ann Lee"}}
    with pytest.raises(InputError, match=message):
        list(read(_file(tmp_path, row)))


@pytest.mark.parametrize("line", ["{'a': open('x')}", "{'token': ['Ann'", "{'a': 1}['a']"])
def test_what_is_neither_json_nor_a_plain_dictionary_is_refused(tmp_path, line):
    (tmp_path / "train.txt").write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"train\.txt:1: not valid JSON at column 2"):
        list(read(tmp_path / "train.txt"))


def test_lines_without_token_and_text_or_json(tmp_path):
    with pytest.raises(InputError, match="a line needs `token` or `text`"):
        list(read(_file(tmp_path, {"h": {}, "t": {}})))
    with pytest.raises(InputError, match="must be a JSON object"):
        list(read(_file(tmp_path, 1)))
    (tmp_path / "train.txt").write_text("{\n")
    with pytest.raises(InputError, match=r"train\.txt:1: not valid JSON"):
        list(read(tmp_path / "train.txt"))


def test_skip_bad_counts_and_ids_keep_the_line(tmp_path):
    path = _file(tmp_path, {}, TOKENS)
    checks = RecordChecks(path, skip_bad=True)
    samples = list(read(path, checks=checks))
    assert [sample.id for sample in samples] == ["opennre-train-2"]
    assert (checks.read, checks.skipped) == (1, 1)


def test_tokens_of_a_script_without_spaces_are_joined_without(tmp_path):
    row = {"token": list("王小明和李红梅结婚了。"), "relation": "夫妻"}
    row |= {"h": {"name": "王小明", "pos": [0, 3]}, "t": {"name": "李红梅", "pos": [4, 7]}}
    (sample,) = read(_file(tmp_path, row))
    assert sample.text == "王小明和李红梅结婚了。"
    assert (sample.head_text, sample.tail_text) == ("王小明", "李红梅")
    row["h"]["pos"], row["t"]["pos"] = [0, 2], [4, 6]
    assert _converted(tmp_path, row, "inclusive ends") == ("王小明", "李红梅")
