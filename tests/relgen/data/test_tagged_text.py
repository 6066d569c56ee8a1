"""Tagged text: rendering and parsing are inverse, and what does not parse has a name."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relgen.data.samples import Entity, Sample
from relgen.data.tagged_text import MarkupError, escape, parse, render, unescape

AWKWARD = st.text(
    alphabet=st.sampled_from(list("ab <>&;#103lgtamp/\"'\n\r\u2028é🐝مש\u200fhead:"))
    | st.characters(codec="utf-8"),
    max_size=12,
)
MENTION = AWKWARD.filter(str.strip)


def sample_from(
    pieces: tuple[str, str, str], first: str, second: str, *, head_first: bool = True
) -> Sample:
    start = len(pieces[0])
    one = Entity(start, start + len(first))
    begin = one.end + len(pieces[1])
    two = Entity(begin, begin + len(second))
    head, tail = (one, two) if head_first else (two, one)
    text = pieces[0] + first + pieces[1] + second + pieces[2]
    return Sample("1", text, head, tail, "r")


@given(st.tuples(AWKWARD, AWKWARD, AWKWARD), MENTION, MENTION, st.booleans())
def test_parse_inverts_render(
    pieces: tuple[str, str, str], first: str, second: str, head_first: bool
) -> None:
    sample = sample_from(pieces, first, second, head_first=head_first)
    tagged = render(sample)
    parsed = parse(tagged)
    assert (parsed.text, parsed.head, parsed.tail) == (sample.text, sample.head, sample.tail)
    assert "\n" not in tagged
    assert "\r" not in tagged


@given(AWKWARD)
def test_unescape_inverts_escape(text: str) -> None:
    assert unescape(escape(text)) == text


@given(st.text(alphabet="<>/headtil &;", max_size=40))
def test_any_text_parses_or_has_a_reason(text: str) -> None:
    try:
        parsed = parse(text)
    except MarkupError as error:
        assume(error.reason)
        return
    assert parsed.text[parsed.head.start : parsed.head.end].strip()


@pytest.mark.parametrize(
    ("sample", "tagged"),
    [
        (
            sample_from(("The ", " ", " is long."), "crane", "arm"),
            "The <head>crane</head> <tail>arm</tail> is long.",
        ),
        (
            sample_from(("", "", ""), "sun", "light", head_first=False),
            "<tail>sun</tail><head>light</head>",
        ),
        (
            sample_from(("R&D at ", ' of "', '".'), "AT&T", "a<b"),
            'R&D at <head>AT&T</head> of "<tail>a&lt;b</tail>".',
        ),
        (
            sample_from(("x &lt; ", "\n", ""), "A", "B"),
            "x &amp;lt; <head>A</head>&#10;<tail>B</tail>",
        ),
    ],
)
def test_render_literally(sample: Sample, tagged: str) -> None:
    assert render(sample) == tagged


def test_types_stand_in_the_tags() -> None:
    sample = Sample("1", "Ann left Acme", Entity(0, 3, "PERSON"), Entity(9, 13, "ORG"), "r")
    tagged = render(sample, types=True)
    assert tagged == "<head:PERSON>Ann</head> left <tail:ORG>Acme</tail>"
    assert parse(tagged).head == Entity(0, 3, "PERSON")
    assert parse(tagged).text == "Ann left Acme"


@pytest.mark.parametrize(
    ("tagged", "reason"),
    [
        ("no tags at all", "no_head"),
        ("<head>a</head> only", "no_tail"),
        ("<tail>a</tail> only", "no_head"),
        ("<head>a</head> <head>b</head> <tail>c</tail>", "several_heads"),
        ("<head>a</head> <tail>b</tail> <tail>c</tail>", "several_tails"),
        ("<head> </head> <tail>c</tail>", "empty_head"),
        ("<head>a</head> <tail></tail>", "empty_tail"),
        ("<head>a</head> <tail>b</tail> <b>", "stray_tag"),
        ("<head>a</head> <tail>b</tail> 1 > 0", "stray_tag"),
        ("<head>a</head>\n<tail>b</tail>", "line_break"),
        ("<head>a <tail>b</head> c</tail>", "stray_tag"),
        ("</head><head>a</head> <tail>b</tail>", "stray_tag"),
        ("<head>a b</head> c <tail@2>b d</tail>", "misplaced_tail"),
        ("<head>a b</head> c <head@2>b c</head>", "no_tail"),
        ("<head> </head>c <tail@0> </tail>", "empty_head"),
    ],
)
def test_what_does_not_parse_says_why(tagged: str, reason: str) -> None:
    with pytest.raises(MarkupError) as caught:
        parse(tagged)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("head", "tail", "tagged"),
    [
        ((0, 4), (0, 1), "<head><tail>a</tail> bc</head> d"),
        ((2, 3), (0, 4), "<tail>a <head>b</head>c</tail> d"),
        ((2, 4), (0, 4), "<tail>a <head>bc</head></tail> d"),
        ((2, 4), (2, 4), "a <head><tail>bc</tail></head> d"),
        ((2, 3), (3, 4), "a <head>b</head><tail>c</tail> d"),
        ((0, 3), (2, 6), "<head>a b</head>c d <tail@2>bc d</tail>"),
        ((2, 6), (0, 3), "<tail>a b</tail>c d <head@2>bc d</head>"),
    ],
)
def test_nested_identical_adjacent_and_crossing_entities(
    head: tuple[int, int], tail: tuple[int, int], tagged: str
) -> None:
    sample = Sample("1", "a bc d", Entity(*head, "X"), Entity(*tail), "r")
    assert render(sample) == tagged
    assert parse(render(sample, types=True)) == ("a bc d", sample.head, sample.tail)


@given(AWKWARD.filter(str.strip), st.data())
def test_parse_inverts_render_wherever_entities_are(text: str, data: st.DataObject) -> None:
    def entity() -> Entity:
        start = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(start + 1, len(text)))
        assume(text[start:end].strip())
        return Entity(start, end)

    sample = Sample("1", text, entity(), entity(), "r")
    assert parse(render(sample)) == (text, sample.head, sample.tail)
