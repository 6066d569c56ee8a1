"""Rows with a column for each part of a sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora.columns import RowReader
from relgen.data.corpora.reading import ReadOptions
from relgen.data.samples import UNLABELLED, Entity, Sample
from relgen.data.validation import RecordChecks

TEXT = "The University of Bern is in Bern, said Ann of Bern."


def read(*rows: dict[str, Any], checks: RecordChecks | None = None, **options: Any) -> list[Sample]:
    checks = checks or RecordChecks(Path("a.csv"))
    reader = RowReader(list(rows[0]), checks, ReadOptions(**options))
    found = list(reader.samples((n, f"a-{n}", row) for n, row in enumerate(rows, start=2)))
    checks.finish()
    return found


def _row(head: str, tail: str, **others: Any) -> dict[str, Any]:
    return {"text": TEXT, "head": head, "tail": tail, "relation": "r", **others}


def test_mentions_are_found_in_the_text() -> None:
    assert read(_row("University of Bern", " Ann ")) == [
        Sample("a-2", TEXT, Entity(4, 22), Entity(40, 43), "r")
    ]


@pytest.mark.parametrize(
    ("ambiguous", "tails", "note"),
    [
        ("first", [29], "2 records have mentions that occur several times; the first were taken"),
        ("all-pairs", [29, 47], "2 records have mentions that occur several times; every pair"),
        ("skip", [], "2 records were left out, since mentions occur several times"),
    ],
)
def test_mentions_that_occur_several_times(ambiguous: Any, tails: list[int], note: str) -> None:
    # the Bern inside the university is not meant, since there are others
    rows = [_row("University of Bern", "Bern"), _row("Ann", "Ann"), _row("Ann", "Bern")]
    rows[1]["tail"] = "University"
    checks = RecordChecks(Path("a.csv"))
    samples = read(*rows, checks=checks, ambiguous=ambiguous)
    assert [s.tail.start for s in samples if s.id.startswith("a-2")] == tails
    assert [s.id for s in samples if s.id.startswith("a-3")] == ["a-3"]
    (said,) = checks.noted()
    assert said.startswith(note)
    assert said.endswith("; the first: line 2")


def test_an_ambiguous_mention_says_how_to_tell_which() -> None:
    with pytest.raises(InputError) as caught:
        read(_row("University of Bern", "Bern"))
    assert str(caught.value) == (
        "a.csv:2: field 'tail': occurs 3 times in the text, at 18, 29, 47 (got 'Bern'); name a "
        "column tail_start=…, or say which is meant: relgen data convert "
        "--ambiguous first|all-pairs|skip"
    )
    (sample,) = read(_row("University of Bern", "Bern", tail_start="47"))
    assert sample.tail == Entity(47, 51)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (_row("ann", "Bern"), "field 'head': is not in the text (got 'ann'); write it as it stands "
         "in the text: 'Ann'"),
        (_row("ann", "Ann’s"), "field 'head': is not in the text"),
        ({"text": TEXT, "relation": "r"}, "neither columns for head and tail, nor tags in the"),
        (_row("", "Ann"), "field 'head': no mention and no offsets (got '')"),
        (_row("Ann", "Bern", tail_start="x"), "field 'tail_start': must be a whole number"),
        (_row("Ann", "Bern", tail_start="30"), "field 'tail': the characters at its offsets are "
         "'ern,' (got 'Bern'); it is in the text at [29, 33], [18, 22], [47, 51]"),
        (_row("Ann", "University", relation=" "), "field 'relation': must not be empty"),
        ({"text": TEXT, "relation": "r", "head_start": 4, "tail_start": 29}, "no mention"),
    ],
)  # fmt: skip
def test_a_malformed_row_names_its_line(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(row)
    assert str(caught.value).startswith("a.csv:2: ")
    assert message in str(caught.value)


def test_columns_of_offsets_types_ids_and_groups() -> None:
    spans = {"head_start": 4, "head_end": 22, "tail_start": 29, "tail_end": 33}
    row = {"text": TEXT, "relation": "r", **spans, "head_type": "ORG", "tail_type": ""}
    assert read(row | {"id": 7, "group": "doc 1"}) == [
        Sample("7", TEXT, Entity(4, 22, "ORG"), Entity(29, 33), "r", group="doc 1")
    ]


def test_numbers_of_other_types() -> None:
    row = _row("University of Bern", "Bern", head_start=float("nan"), head_type=float("nan"))
    for start in (29.0, " 29 ", "29.0", "2.9e1"):
        (sample,) = read({**row, "tail_start": start})
        assert (sample.head, sample.tail) == (Entity(4, 22), Entity(29, 33))
    for wrong in (0.9, "0.9", float("inf"), "inf", "nan", 10**400, True, [29]):
        with pytest.raises(InputError, match="field 'tail_start': must be a whole number"):
            read({**row, "tail_start": wrong})


def test_a_start_in_bytes_without_an_end() -> None:
    row = {"text": "Éa in Łódź", "head": "Éa", "tail": "Łódź", "relation": "r"}
    row |= {"head_start": 0, "tail_start": 7}
    for unit in ("bytes", "characters"):
        (sample,) = read(row, offsets=unit)
        assert (sample.head, sample.tail) == (Entity(0, 2), Entity(6, 10))
    with pytest.raises(InputError, match=r"'head': must be \[start, end\].* \[0, None\]"):
        read({**row, "tokens": ["Éa", "in", "Łódź"]})


def test_tags_of_either_kind() -> None:
    for first, second in (("e1", "e2"), ("head", "tail")):
        text = f"<{first}>Ann</{first}> in <{second}>Bern</{second}>"
        (sample,) = read({"text": text, "relation": "r"})
        assert (sample.text, sample.head_text, sample.tail_text) == ("Ann in Bern", "Ann", "Bern")


def test_rows_without_a_relation_are_read_for_prediction() -> None:
    row = _row("Ann", "University")
    del row["relation"]
    (sample,) = read(row, labelled=False)
    assert sample.relation == UNLABELLED
    for empty in ("", " ", None, -1):
        (sample,) = read({**row, "relation": empty}, labelled=False)
        assert sample.relation == UNLABELLED


def test_a_table_without_a_column_for_relations_has_candidates() -> None:
    row, checks = _row("Ann", "University", note="x"), RecordChecks(Path("a.csv"))
    del row["relation"]
    (sample,) = read(row, checks=checks)
    assert (sample.head_text, sample.relation) == ("Ann", UNLABELLED)
    assert checks.doubts == [
        "a.csv: no column is the relation, so that samples have none; if one of note is, name it: "
        "--columns relation=…"
    ]
    checks = RecordChecks(Path("a.csv"))
    assert read(row, checks=checks, columns={"relation": "note"})[0].relation == "x"
    assert checks.doubts == []


def test_empty_relations_are_one_error() -> None:
    rows = [_row("Ann", "University", relation=text) for text in ("r", "", "r", "", "")]
    with pytest.raises(InputError) as caught:
        read(*rows)
    assert str(caught.value) == (
        "a.csv:3: field 'relation': must not be empty (got ''); fill it in, or leave such "
        "records out: relgen data convert --skip-bad (and 2 more records like it)"
    )
    checks = RecordChecks(Path("a.csv"), skip_bad=True)
    assert [sample.id for sample in read(*rows, checks=checks)] == ["a-2", "a-4"]
    assert checks.skipped == 3


@pytest.mark.parametrize(
    ("text", "head", "tail"),
    [
        ("Ann’s aunt met Bo.", "Ann's aunt", "Bo"),
        ("Ann's aunt met  Jo\u00a0Bo.", "Ann’s aunt", "Jo Bo"),
        ("The “Kite – Press” met Bo.", '"Kite - Press"', "Bo"),
        ("Ann met Bo.", "Ann", "Bo"),
    ],
)
def test_marks_and_spaces_that_differ_from_the_text(text: str, head: str, tail: str) -> None:
    checks = RecordChecks(Path("a.csv"))
    (sample,) = read({"text": text, "head": head, "tail": tail, "relation": "r"}, checks=checks)
    assert sample.head_text == text[: len(head)] or sample.head_text == text[4 : 4 + len(head)]
    assert sample.tail_text.split() == tail.split()
    same = sample.head_text == head and sample.tail_text == tail
    assert checks.noted() == [
        "1 record has mentions with other quotation marks, dashes or spaces than the text: found; "
        "the first: line 2"
    ] * (not same)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": "words"}, r"columns\.text': no such column \(got 'words'\); its columns: text"),
        ({"head": "haed"}, r"columns\.head': no such column \(got 'haed'\); did you mean 'head'"),
        ({"txt": "text"}, r"unknown key \(got 'txt'\); did you mean 'text'"),
    ],
)
def test_columns_that_are_not_there(columns: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(_row("Ann", "Bern"), columns=columns)


def test_a_head_needs_a_tail() -> None:
    with pytest.raises(InputError, match="no column for tail among text, head, relation"):
        read({"text": TEXT, "head": "Ann", "relation": "r"})


def test_offsets_of_another_unit_are_converted_where_the_mention_shows_it() -> None:
    checks = RecordChecks(Path("a.csv"))
    row = {"text": "😀 Ann in Łódź", "head": "Ann", "tail": "Łódź", "relation": "r"}
    (sample,) = read(row | {"head_start": 3, "tail_start": 10}, checks=checks)
    assert (sample.head, sample.tail) == (Entity(2, 5), Entity(9, 13))
    assert checks.noted() == [
        "1 record has offsets that count UTF-16 units: converted; the first: line 2"
    ]


TOKENS = ["Kite", "Press", "was", "founded", "by", "Olu", "Ade", "."]


@pytest.mark.parametrize("key", ["word", "text", "name"])
def test_a_mention_of_a_mapping_must_agree_with_its_offsets(key: str) -> None:
    row = {"text": "Kite was founded by Olu.", "tail": {key: "Olu", "start": 20, "end": 23}}
    row |= {"relation": "r", "head": {key: "Olu", "start": 0, "end": 4}}
    with pytest.raises(InputError, match=r"'head': the characters .* 'Kite' .* at \[20, 23\]"):
        read(row)
    (sample,) = read({**row, "head": {key: "Kite", "start": 0, "end": 3}, "tail": {key: "Olu"}})
    assert (sample.head, sample.tail) == (Entity(0, 4), Entity(20, 23))
    row["head"] |= {key: "Flag"}
    if key != "name":
        with pytest.raises(InputError, match=r"'Kite' \(got 'Flag'\); it is nowhere in the text"):
            read(row)
    else:  # that of a knowledge base
        assert read(row)[0].head_text == "Kite"


@pytest.mark.parametrize(
    "roles",
    [
        {"head": "Kite Press", "head_start": 0, "head_end": 1, "tail": "Olu Ade"},
        {"head": {"word": "Kite Press", "pos": [0, 1]}, "tail": {"text": "Olu Ade"}},
        {"head": {"name": "kite press", "start": 0, "end": 10}, "tail": {"pos": [5, 7]}},
    ],
)
def test_a_mention_shows_what_the_offsets_of_tokens_count(roles: dict[str, Any]) -> None:
    (sample,) = read({"tokens": TOKENS, "relation": "r", **roles})
    assert (sample.head_text, sample.tail_text) == ("Kite Press", "Olu Ade")


def test_a_mention_at_other_tokens_is_refused() -> None:
    row = {"tokens": TOKENS, "tail": "Olu Ade", "relation": "r"}
    row["head"] = {"word": "Kite Press", "start_idx": 5, "end_idx": 6}
    with pytest.raises(InputError, match=r"'head': the tokens at its offsets are 'Olu Ade'"):
        read(row)


def test_an_id_of_several_rows_gets_a_number() -> None:
    rows = [_row("Ann", "University", id=name) for name in (1, 1, "2", 1, "1-2", None)]
    rows.append(_row("Ann", "Bern", id=1))
    checks = RecordChecks(Path("a.csv"))
    samples = read(*rows, checks=checks, ambiguous="all-pairs")
    expected = ["1", "1-2", "2", "1-3", "1-2-2", "a-7", "1-1", "1-2-3", "1-3-2"]
    assert [sample.id for sample in samples] == expected
    assert checks.noted()[0] == (
        "4 records have the id of an earlier one: a number was added to it; the first: line 3"
    )


def test_a_column_id_that_is_the_group_is_no_id() -> None:
    rows = [_row("Ann", "University", id=7), _row("University", "Ann", id=7)]
    checks = RecordChecks(Path("a.csv"))
    samples = read(*rows, checks=checks, columns={"group": "id"})
    assert [(sample.id, sample.group) for sample in samples] == [("a-2", "7"), ("a-3", "7")]
    assert checks.noted() == []
