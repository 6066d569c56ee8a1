"""Words, comparison and boundaries in many scripts."""

from __future__ import annotations

import pytest

from relgen.data.text import (
    find_mentions,
    is_han,
    is_unspaced,
    normalised,
    splits_word,
    word_counts,
    words,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The Fire -- caused  smoke!", "the fire caused smoke"),
        (
            "Don\u2019t pay 3.5 % of $1,000 for a T-shirt.",
            "don t pay 3 5 % of $1 000 for a t shirt",
        ),
        ("C, C++ and C#; 5 or 5%; A+, A- (or A)", "c c++ and c# 5 or 5% a+ a- or a"),
        (
            "-5 to 5, pages 3-5, a well- or ill-kept -- garden",
            "-5 to 5 pages 3 5 a well- or ill kept garden",
        ),
        ("Ｃ＃ Ｃ＋＋ C♯", "c# c++ c♯"),
        ("ﾀﾛｳとｶﾞｰﾅ ２０１９", "タロウ と ガーナ 2019"),
        ("สำคัญ", "ส\u0e4d \u0e32 คั ญ"),
        ("القاهــرة", "القاهرة"),
        ("(R)-Warfarin und 5-HT\u2083", "r warfarin und 5 ht\u2083"),
        ("STRASSE Straße", "strasse strasse"),
        ("Zoe\u0308 Zo\u00eb", "zoë zoë"),
        ("co\u00adoperate \u200bnow", "cooperate now"),
        ("Он жил в Москве.", "он жил в москве"),
        ("मोहन की बहन सीता", "मोहन की बहन सीता"),
        ("ঢাকা শহরে", "ঢাকা শহরে"),
        ("مُحَمَّد في القاهرة", "مُحَمَّد في القاهرة"),
        ("김민수는 서울에서", "김민수는 서울에서"),
        ("王明2008年去了Google。", "王 明 2008 年 去 了 google"),
        ("東京のホテルで", "東 京 の ホテル で"),
        ("อยู่ที่", "อ ยู่ ที่"),
        ("ភាសា", "ភា សា"),
    ],
)
def test_words(text: str, found: str) -> None:
    assert words(text) == found.split()
    assert normalised(text) == found


def test_ascii_text_has_the_words_that_it_has_among_other_scripts() -> None:
    everything = " ".join(f"a{c}b {c}5 x{c} {c}" for c in map(chr, range(32, 127)))
    assert words(everything) == words(f"{everything} é")[:-1]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Ann \u2014 Bob's sister \u2014 left.", (6, 6)),  # white space, as in English always
        ("王明和于红结婚了。", (8, 3)),
        ("สมชายอาศัยอยู่ที่เชียงใหม่", (19, 7)),
        ("他在 Google 工作， 2008 年", (7, 4)),
    ],
)
def test_word_counts(text: str, counts: tuple[int, int]) -> None:
    assert word_counts(text) == counts


@pytest.mark.parametrize(
    ("left", "right", "inside"),
    [
        ("rain", "y", True),
        ("19", "98", True),
        ("Ann", "'s", False),
        ("COVID", "19", False),
        ("e", "\u0301", True),
        ("e\u0301", "a", True),
        ("दिल्ल", "ी", True),
        ("น", "ำ", True),
        ("Дом", "ик", True),
        ("王明", "和", False),
        ("서울", "에서", False),
        ("ঢাকা", "য়", False),
        ("ال", "قاهرة", False),
        ("کتاب", "\u200cها", False),
        ("", "a", False),
        ("a", "", False),
    ],
)
def test_splits_word(left: str, right: str, inside: bool) -> None:
    assert splits_word(left + right, len(left)) is inside


@pytest.mark.parametrize(
    ("text", "mention", "found"),
    [
        ("C++ came after C.", "C", [(15, 16)]),
        ("rain on a rainy day", "rain", [(0, 4)]),
        ("a rainy day", "rain", []),
        ("15 or 5", "5", [(6, 7)]),
        ("it cost 5%", "5", [(8, 9)]),  # nowhere without a sign
        ("Ann's aunt", "Ann", [(0, 3)]),
        ("王明和于红", "于红", [(3, 5)]),
        ("서울에서 왔다", "서울", [(0, 2)]),
        ("서울에서 온 서울", "서울", [(7, 9)]),
        ("Zoe\u0308 left", "Zo\u00eb", [(0, 4)]),
        ("aa aa", "aa", [(0, 2), (3, 5)]),
        ("Ann’s aunt, Ann’s", "Ann's", [(0, 5), (12, 17)]),
        ("Ann’s or Ann's", "Ann's", [(9, 14)]),  # as it is written, if it is so anywhere
        ("the Jo  \u00a0Bo", "Jo Bo", [(4, 11)]),
    ],
)
def test_find_mentions(text: str, mention: str, found: list[tuple[int, int]]) -> None:
    assert find_mentions(text, mention, whole=True) == found
    assert find_mentions(text, mention) == (found or [(2, 6)])


def test_scripts_without_spaces() -> None:
    characters = "aя한ह王ひカ\uff76คខမ。，1５๒!é-😀"
    assert "".join(filter(is_unspaced, characters)) == "王ひカ\uff76คខမ。，５๒"
    assert "".join(filter(is_han, characters)) == "王ひカ\uff76"
