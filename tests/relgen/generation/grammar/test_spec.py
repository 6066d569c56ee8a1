"""The form of a line of fields, in all notations."""

from __future__ import annotations

import pytest

from relgen.generation.grammar.spec import FieldsSpec, GrammarSpec
from tests.relgen.generation.grammar.test_llguidance import takes

SPEC = FieldsSpec(relation="in/at(e1,e2)", head_types=("PERSON", "A/B"), max_context_words=3)
LINE = (
    "Relation: in/at(e1,e2). Context: Ann met Bob in Bern, 3.5 days ago. Head Entity: Ann. "
    "Head Type: A/B. Tail Entity: Bern. Tail Type: ENTITY."
)
SENTENCE = FieldsSpec(
    relation=SPEC.relation, head_types=SPEC.head_types, max_context_words=3, one_sentence=True
)


@pytest.mark.parametrize("spec", [SPEC, SENTENCE])
def test_takes_a_line(spec: GrammarSpec) -> None:
    assert takes(spec, LINE)


@pytest.mark.parametrize("spec", [SPEC, SENTENCE])
@pytest.mark.parametrize(
    "line",
    [
        LINE.replace("in/at", "on"),
        LINE.replace("A/B", "PLACE"),
        LINE.replace("ENTITY", "PERSON"),
        LINE.replace(" Tail Entity: Bern.", ""),
        f"{LINE}\n{LINE}",
        "<head>Ann</head> is in <tail>Bern</tail>.",
    ],
)
def test_takes_nothing_else(spec: GrammarSpec, line: str) -> None:
    assert not takes(spec, line)


def test_several_lines() -> None:
    several = FieldsSpec(relation=SPEC.relation, head_types=SPEC.head_types, lines=2)
    assert takes(several, f"{LINE}\n{LINE}")
    assert not takes(several, f"{LINE}\n{LINE}\n{LINE}")
