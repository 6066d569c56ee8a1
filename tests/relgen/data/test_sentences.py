"""Where the sentences of a text are."""

from __future__ import annotations

import pytest

from relgen.data.samples import Entity
from relgen.data.sentences import sentence_spans


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Ann left. Bo came!", ["Ann left.", "Bo came!"]),
        ("Dr. J. Smith et al. 2008 saw Fig. 3. It was good.", None),
        ("He said “Go.” She went.\n\nThen: 3.5 mg of it.", None),
        ("一。二！三", ["一。", "二！", "三"]),
        ("e.g. this one, i.e. that.", ["e.g. this one, i.e. that."]),
        ("  \n ", []),
        ("One. Two? 3 men!", ["One.", "Two?", "3 men!"]),
        (
            "In Dr. Ann met J. Smith of no. 5, e.g. Bern.",
            ["In Dr. Ann met J. Smith of no. 5, e.g. Bern."],
        ),
        ("A line\n  Another  \n\n", ["A line", "Another"]),
        ("It binds, in\r\n  cells,\nTP53.\nwhich", ["It binds, in\r\n  cells,\nTP53.\nwhich"]),
        ("A title\n\nit,\r\n\r\nThe\n \nend\n3", ["A title", "it,", "The", "end", "3"]),
        ("これは文です。「次」。", ["これは文です。", "「次」。"]),
        (
            "It binds IL-1. p53 does not, vs. mTOR. β-catenin (e.g. miR-21) does. (c-FMS too.)",
            [
                "It binds IL-1.",
                "p53 does not, vs. mTOR.",
                "β-catenin (e.g. miR-21) does.",
                "(c-FMS too.)",
            ],
        ),
        ("Of Acme corp. in Bern.", ["Of Acme corp. in Bern."]),
        ("Costs 3.5 or v1.2. 'Yes.'", ["Costs 3.5 or v1.2.", "'Yes.'"]),
    ],
)
def test_sentences(text: str, sentences: list[str] | None) -> None:
    expected = {
        "D": ["Dr. J. Smith et al. 2008 saw Fig. 3.", "It was good."],
        "H": ["He said “Go.”", "She went.", "Then: 3.5 mg of it."],
    }
    found = [text[start:end] for start, end in sentence_spans(text)]
    assert found == (expected[text[0]] if sentences is None else sentences)


def test_an_entity_may_begin_a_sentence() -> None:
    text = "It acts on cells. (insulin binds it."
    assert sentence_spans(text) == [(0, 36)]
    assert sentence_spans(text, [Entity(19, 26)]) == [(0, 17), (18, 36)]


def test_an_entity_begins_no_sentence_in_wrapped_text() -> None:
    assert sentence_spans("It regulates\ninsulin.", [Entity(13, 20)]) == [(0, 21)]


def test_an_entity_that_ends_with_a_letter_may_end_a_sentence() -> None:
    text = "It is cathepsin K. It binds."
    assert sentence_spans(text) == [(0, 28)]
    assert sentence_spans(text, [Entity(6, 17)]) == [(0, 18), (19, 28)]
    assert sentence_spans(text, [Entity(6, 15)]) == [(0, 28)]


def test_no_sentence_ends_inside_an_entity() -> None:
    text = "They met at Yahoo! Inc. in May."
    assert len(sentence_spans(text)) == 2
    assert sentence_spans(text, [Entity(12, 23)]) == [(0, 31)]
    # of nested ones, the outer one counts, in any order
    entities = [Entity(27, 30), Entity(12, 16), Entity(5, 23), Entity(12, 18)]
    assert sentence_spans(text, entities) == [(0, 31)]
    assert sentence_spans(text, [Entity(12, 18), Entity(19, 22)]) == [(0, 18), (19, 31)]
