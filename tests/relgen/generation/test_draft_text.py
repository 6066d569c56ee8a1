"""What models put around samples, and characters that no sentence holds."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from relgen.data.samples import Sample
from relgen.generation.acceptance import CHECKS, DraftContext, KnownTexts, judge
from relgen.generation.draft_text import bare_line, holds_markup, written_lines
from relgen.generation.settings import GenerationSettings
from relgen.prompting.fields import read_fields
from tests import tiny

LINE = "The <head>lamp</head> lit the <tail>room</tail>."
LABELS = ("causes", "per:title", "made_of", "is made of")

MARKS = (
    *(
        "1.) ",
        "1- ",
        "1.- ",
        "١- ",
        "1 . ",
        "1.",
        "#1 ",
        "№ 1: ",
        "1\ufe0f\u20e3 ",
        "第1句：",
        "Sample (1): ",
    ),
    *(
        "[1] ",
        "(12) ",
        "A) ",
        "(a) ",
        "iv) ",
        "1 - ",
        "1 – ",
        "1: ",
        "#1: ",
        "#2 - ",
        "１．",
        "１）",
        "一、",
    ),
    *(
        "一、",
        "（二）",
        "【3】",
        "٣) ",
        "Nr. 3: ",
        "Sample #3 - ",
        "**Sample 1:** ",
        "**1.** ",
        "A: ",
    ),
    *("例1：", "예시 1) ", "Exemplo 1: ", "مثال 1: ", "דוגמה 1: ", "उदाहरण 1: ", "ตัวอย่างที่ 1: "),
    *("Example one: ", "Sample three: ", "First sentence: ", "1/ ", "12/ ", "**Example one:** "),
    *("Sentence: ", "Satz: ", "Phrase : ", "Предложение: ", "Πρόταση: ", "جملة: ", "משפט: "),
    *("वाक्य: ", "বাক্য: ", "ประโยค: ", "例句：", "例文：", "例文一：", "문장: "),
    *("উদাহরণ ১: ", "Παράδειγμα 1: ", "Пример 1: ", "Voorbeeld 1: ", "Sentence: 1. "),
)
BEGINNINGS = (
    *("3- and 4-year-old ", "2.5 ", "i.A. ", "x.Y "),
    *("The method __init__ of ", "10. Prosince ", "3. Oktober: ", "2. Bundesliga: ", "e.g.: "),
    *(
        "At 10:30 ",
        "5 - 3 and ",
        "J. K. Rowling and ",
        "三四个人和",
        "１．５",
        "In 1990: ",
        "Table 3 shows ",
    ),
)
DOUBTFUL = (
    *("Example number: ", "Zweiter Satz: ", "Пример первый: ", "The answer is: "),
    *("the doctor said: ", "pH: ", "place of birth: ", "Satz 3. ", "例文1. ", "I. ", "II. ", "A. "),
    "At 5 - ",
)


@pytest.mark.parametrize("begin", DOUBTFUL)
def test_what_may_be_a_mark_or_a_part_of_the_sentence(begin: str) -> None:
    assert bare_line(begin + LINE, ("causes", "causes"), LABELS)[1] == "doubtful_beginning"


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (f"1. {LINE}", LINE),
        (f"12) {LINE}", LINE),
        (f"(3) {LINE}", LINE),
        (f"a) {LINE}", LINE),
        (f"- {LINE}", LINE),
        (f"* {LINE}", LINE),
        (f"• {LINE}", LINE),
        (f"③{LINE}", LINE),
        (f"> ### {LINE}", LINE),
        (f'"{LINE}"', LINE),
        (f'"{LINE}",', LINE),
        (f"“{LINE}”", LINE),
        (f"„{LINE}“", LINE),
        (f"«{LINE}»", LINE),
        (f"'{LINE}'", LINE),
        (f"`{LINE}`", LINE),
        (f"**{LINE}**", LINE),
        (f'2. **"{LINE}"**', LINE),
        ("The **<head>lamp</head>** lit the <tail>*room*</tail>.", LINE),
        ("The __<head>lamp</head>__ _lit_ the `<tail>room</tail>`.", LINE),
        (f"Sample 3: {LINE}", LINE),
        (f"**New sample:** {LINE}", LINE),
        (f"Sure! Here is one: {LINE}", LINE),
        (f"causes: {LINE}", LINE),
        (f"[Causes]: {LINE}", LINE),
        (f"{LINE}<|im_end|>", LINE),
        (f"{LINE}</s>\r", LINE),
        *((f"{mark}{LINE}", LINE) for mark in MARKS),
        # parts of the sentence
        *((f"{begin}{LINE}", f"{begin}{LINE}") for begin in BEGINNINGS),
        (f"x**2 + y**2 {LINE}", f"x**2 + y**2 {LINE}"),
        (f"“No,” said Ann, “{LINE}”", f"“No,” said Ann, “{LINE}”"),
        (f'"No," said Ann, "{LINE}"', f'"No," said Ann, "{LINE}"'),
        (f"12. Mai 1990: {LINE}", f"12. Mai 1990: {LINE}"),
        (f"e. coli and {LINE}", f"e. coli and {LINE}"),
        (f"snake_case_names and 2 * 3 * 4: {LINE}", f"snake_case_names and 2 * 3 * 4: {LINE}"),
        (f"Paris: {LINE}", f"Paris: {LINE}"),
        # characters
        ("la\u200bmp\ufeff\u00ad \u200eroom\u2060", "lamp room"),
        ("a\u200db \u0645\u06cc\u200c\u062e", "ab \u0645\u06cc\u200c\u062e"),
        ("one&#10;two\tthree&#13;four&NewLine;five", "one two three four five"),
        ("&quot;Tom &amp; &#60;Ann&#x3e;&quot;s", '"Tom &amp; &lt;Ann&gt;"s'),
    ],
)  # fmt: skip
def test_taken_off(raw: str, line: str) -> None:
    assert bare_line(raw, ("causes", "causes"), LABELS) == (line, None)


@pytest.mark.parametrize(
    "mark",
    [
        *("\ud800", "\udfff", "\x00", "\x1b[31m", "\x7f", "\x85", "\x9b", "\u2028", "\u2029"),
        *("\ufff9", "\ufffb", "\u0600", "\U0001343f", "\ue123", "\U000f0000", "\u0378"),
        *("\u202a", "\u202e", "\u2066", "\u2069", "\ufffd", "\ufffe", "&#x202e;"),
    ],
)
def test_bad_characters(mark: str) -> None:
    assert bare_line(f"The <head>lamp</head> {mark}lit", (), ())[1] == "bad_character"


@pytest.mark.parametrize(
    "label", ["made_of", "**made_of**", "Is made of", "per:title", "founded_by", "A-B(e1,e2)"]
)
def test_another_relations_label(label: str) -> None:
    assert bare_line(f"{label}: {LINE}", ("causes", "causes"), LABELS)[1] == "wrong_relation"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"\n{LINE}\n\nand more\n", [(1, LINE), (3, "and more")]),
        (f"<think>\n{LINE}\n</think>\n\n{LINE}", [(4, LINE)]),
        (f"{LINE}\n</think>{LINE}", [(1, LINE)]),
        (f"[THINK]{LINE}[/THINK]{LINE}", [(0, LINE)]),
        (f"<|channel|>analysis<|message|>{LINE}<|end|>final<|message|>{LINE}", [(0, LINE)]),
        (f"<think>{LINE}", []),
        (f"```text\n{LINE}\n```", [(1, LINE)]),
        ("", []),
    ],
)
def test_lines(text: str, lines: list[tuple[int, str]]) -> None:
    assert written_lines(text) == lines


@pytest.mark.parametrize(
    "text", ["a <b>c</b>", "<br/>", "x <|end|>", "</head>", "a ** b", "<a:b>", "an __init__"]
)
def test_markup_in_a_text(text: str) -> None:
    assert holds_markup(text)


def test_smaller_than_is_no_markup() -> None:
    assert not holds_markup("It is 3 < 4 and 5 > 4, a <3 and * 2")


PIECES = (
    *("<head>", "</head>", "<tail>", "</tail>", "<head:PERSON>", "<", ">", "&lt;", "&amp;"),
    *("&#10;", "&#x202e;", "**", "*", "_", "`", '"', "“", "”", "'", "1. ", "- ", ": ", "causes: "),
    *("\ud800", "\x00", "\x1b[31m", "\x9b", "\u2028", "\u202e", "\u200b", "\u200d", "\ufeff"),
    *(
        "\r",
        "\t",
        "\n",
        " ",
        "  ",
        "\u00a0",
        "\u3000",
        "\u0301",
        "\u093f",
        "é",
        "ж",
        "雨",
        "م",
        "🙂",
    ),
    *("<think>", "</think>", "<|im_end|>", "```", "Relation: causes. Context: "),
    *(" Head Entity: ", ". Head Type: ", ". Tail Entity: ", ". Tail Type: "),
    *("word " * 40, "x" * 300, "rain", "floods"),
)
SOUND = (
    "Late <tail>panic</tail> broke out because of a <head>rumour</head>.",
    "Whoever made this <head>ladle</head> cut it from <tail>beech</tail>.",
    "Relation: causes. Context: Heavy rain brought floods to the town. Head Entity: rain. "
    "Head Type: ENTITY. Tail Entity: floods. Tail Type: ENTITY.",
)


def mutated(rng: random.Random) -> str:
    """Return a sound line with pieces put in, cut out and repeated."""
    line = rng.choice(SOUND)
    for _ in range(rng.randint(1, 6)):
        place, size = rng.randint(0, len(line)), rng.randint(0, 12)
        piece = rng.choice((rng.choice(PIECES), line[place : place + size], ""))
        line = line[:place] + piece + line[place + rng.choice((0, 0, size)) :]
    return line * rng.choice((1, 1, 1, 1, 2, 40))


def judged(number: int) -> Iterator[Sample | str]:
    """Yield the verdicts on mutated drafts in both markups."""
    rng = random.Random(27)
    settings = GenerationSettings(min_words=2, max_words=12)
    relation, labels = tiny.typed_schema()["causes"], tuple(tiny.typed_schema().labels)
    context = DraftContext(relation, [], KnownTexts(settings, []), labels)
    for _ in range(number):
        draft = mutated(rng)
        reader = {"read": read_fields} if draft.startswith("Relation") else {}
        for _, line in written_lines(draft):
            yield judge(line, "stop", context, CHECKS, **reader)


def check_mutated(number: int) -> None:
    accepted = 0
    for verdict in judged(number):
        if isinstance(verdict, str):
            continue
        accepted += 1
        text = verdict.text
        text.encode()
        assert text == text.strip()
        assert len(text) <= 25 * 12
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
        assert not set(text) & set("\u200b\ufeff\u2028\u2029\u202e\u2066\u00ad\ufffd")
        assert "<head" not in text
        assert "</tail" not in text
        assert "**" not in text
        for entity, mention in (
            (verdict.head, verdict.head_text),
            (verdict.tail, verdict.tail_text),
        ):
            assert mention == mention.strip() != ""
            assert entity.type is None or len(entity.type) <= 60
    assert accepted > number / 20


def test_mutated_drafts() -> None:
    check_mutated(3_000)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_drafts() -> None:
    check_mutated(100_000)


BOMBS = (
    *("**a ", "*a", "_a ", "__a ", "`a", "<think>", "&#1", "<|a", "<a ", '"', "1. ", "</s>", " "),
    *("\u200d", "\u0627\u200c", "Sample ", "<head>a", "</head>", "Relation: ", " Head Entity: a"),
    *(
        ". Context: ",
        ". Tail Type: ",
        "causes: ",
        "（",
        "Sure ",
        "a_",
        "a ",
        "a/",
        "(a) ",
        "- ",
        "<head:",
        "&amp;",
    ),
)


@pytest.mark.parametrize("piece", BOMBS)
def test_time_is_linear(piece: str) -> None:
    """A hundred kilobytes take a fraction of a second; a quadratic search takes minutes."""
    begun = time.process_time()
    text = piece * (100_000 // len(piece))
    relation = tiny.typed_schema()["causes"]
    written_lines(text)
    bare_line(text, ("causes", "causes"), LABELS)
    holds_markup(text)
    read_fields(f"Relation: causes. Context: {text}", relation)
    mentions = f"{text} Head Entity: a. Head Type: b. Tail Entity: a. Tail Type: b"
    read_fields(f"Relation: causes. Context: {mentions}.", relation)
    assert time.process_time() - begun < 5
