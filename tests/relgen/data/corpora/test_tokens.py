"""Tokens to text: offsets, and the Penn Treebank's codes."""

from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora.tokens import TokenText, readable
from relgen.data.samples import Entity


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("-LRB-", "("),
        ("-RRB-", ")"),
        ("-LSB-", "["),
        ("-RSB-", "]"),
        ("-LCB-", "{"),
        ("-RCB-", "}"),
        ("-lrb-", "("),
        ("``", '"'),
        ("''", '"'),
        ("`", "'"),
        ("'", "'"),
        ("1\\/2", "1/2"),
        ("\\*\\*", "**"),
        ("-LRB-030-RRB-", "(030)"),
        (":--RRB-", ":-)"),
        # what only looks like a code
        ("'s", "'s"),
        ("12''", "12''"),
        ("Ka`u", "Ka`u"),
        ("--", "--"),
        ("-LRB", "-LRB"),
        ("LRB-", "LRB-"),
        ("C:\\temp", "C:\\temp"),
    ],
)
def test_codes_are_read_as_their_characters(token, text):
    assert readable(token) == text


def test_offsets_count_the_readable_text():
    tokens = TokenText.join(["``", "Ann", "-LRB-", "50", "-RRB-", "''", "left"], "token")
    assert tokens.text == '" Ann ( 50 ) " left'
    assert tokens.starts == (0, 2, 6, 8, 11, 13, 15)
    assert tokens.ends == (1, 5, 7, 10, 12, 14, 19)
    assert tokens.entity(1, 5, field="h") == Entity(2, 12)


def test_white_space_in_tokens_and_empty_tokens():
    joined = TokenText.join(["", "New\n York", " ", "is", "", "big", ""], "token")
    assert joined.text == "New York is big"
    assert [joined.text[a:b] for a, b in zip(joined.starts, joined.ends, strict=True)] == [
        *("", "New York", "", "is", "", "big", "")
    ]
    for span, mention in (((0, 3), "New York"), ((2, 4), "is"), ((4, 7), "big")):
        entity = joined.entity(*span, field="head")
        assert joined.text[entity.start : entity.end] == mention


def test_an_empty_mention_and_one_out_of_range_are_refused():
    tokens = TokenText.join(["-LRB-", "a"], "token")
    for span in ([1, 1], [0, 3], [-1, 1]):
        with pytest.raises(InputError, match=r"field 'h': token offsets .* <= 2") as caught:
            tokens.entity(*span, field="h")
        assert str(span) in str(caught.value)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("王明|于|2008|年|去|上海|。", "王明于2008年去上海。"),
        ("彼|は|ホテル|に|いる|。", "彼はホテルにいる。"),
        ("เขา|อยู่|ที่|กรุงเทพ", "เขาอยู่ที่กรุงเทพ"),
        ("그는|서울에|산다|.", "그는 서울에 산다 ."),
        ("वह|दिल्ली|में|है|।", "वह दिल्ली में है ।"),
        ("他|用|Python|写", "他用 Python 写"),
        # single characters are the text as it was
        ("他|1|9|9|8|年|学|C|+|+|(|略|)|。", "他1998年学C++(略)。"),
        ("用| |N|e|w| | |Y|o|r|k|的|歌", "用 New York的歌"),
        # letters of a script with spaces are words
        ("A|b|C", "A b C"),
    ],
)
def test_spaces_are_those_of_the_script(tokens: str, text: str) -> None:
    joined = TokenText.join(tokens.split("|"), "token")
    assert joined.text == text
    found = [joined.text[a:b] for a, b in zip(joined.starts, joined.ends, strict=True)]
    assert found == [token.strip() for token in tokens.split("|")]


@pytest.mark.parametrize(
    ("span", "unit", "mention", "counted"),
    [
        ((1, 3), "characters", "Ann (", None),
        ((1, 3), "characters", "ann-lrb-", None),
        ((1, 2), "characters", "Ann -LRB-", "inclusive ends"),
        ((1, 2), "inclusive", "Ann (", None),
        ((1, 3), "inclusive", "Ann (", "exclusive ends"),
        ((2, 7), "characters", "Ann (", "characters, where tokens are counted"),
    ],
)
def test_a_mention_shows_what_is_counted(
    span: tuple[int, int], unit: Any, mention: str, counted: str | None
) -> None:
    tokens = TokenText.join(["``", "Ann", "-LRB-", "50", "-RRB-", "''", "left"], "token")
    assert tokens.entity_at(*span, mention, unit=unit, field="h") == (Entity(2, 7), counted)


def test_a_mention_at_other_tokens_is_refused() -> None:
    tokens = TokenText.join(["Ann", "Lee", "saw", "Bo", "."], "token")
    for mention, guess in (("Ann Lee", r"at the tokens \[0, 2\]"), ("Zoe", "nowhere in the text")):
        with pytest.raises(
            InputError, match=rf"offsets are 'Bo' \(got '{mention}'\); it is {guess}"
        ):
            tokens.entity_at(3, 4, mention, field="h")
