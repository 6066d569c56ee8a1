"""The form of a line of fields, and the notations written out; the texts that tagged forms accept
are in `test_llguidance`."""

from __future__ import annotations

import re

import pytest

from relgen.generation.grammar.spec import (
    PORTABLE,
    FieldsSpec,
    GrammarSpec,
    as_gbnf,
    as_lark,
    as_regex,
)
from tests.relgen.generation.grammar.test_llguidance import takes

SPEC = FieldsSpec(relation="in/at(e1,e2)", head_types=("PERSON", "A/B"), max_context_words=3)
LINE = (
    "Relation: in/at(e1,e2). Context: Ann met Bob in Bern, 3.5 days ago. Head Entity: Ann. "
    "Head Type: A/B. Tail Entity: Bern. Tail Type: ENTITY."
)
SENTENCE = FieldsSpec(
    relation=SPEC.relation, head_types=SPEC.head_types, max_context_words=3, one_sentence=True
)
TAGGED = GrammarSpec(lines=2, max_context_chars=9, max_entity_chars=3, head_types=('A/"B"', "C."))
FIELDS = FieldsSpec(relation="in/at (x)", max_context_chars=2, max_entity_chars=2)


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


def test_gbnf_is_the_expression_with_quoted_literals() -> None:
    grammar = as_gbnf(FIELDS)
    assert grammar.startswith(
        'root ::= "Relation: in/at (x). Context: " [^\\t\\n\\r ] [^\\t\\n\\r]{1,10}'
    )
    assert grammar.endswith('" Tail Type: " ( "ENTITY" ) [.]')
    assert '"<head:" ( "A/\\"B\\"" | "C." ) ">"' in as_gbnf(TAGGED)
    assert ') ( "\\n" ( ( ' in as_gbnf(TAGGED)
    assert as_gbnf(TAGGED).endswith("){0,1}")


def test_the_portable_expression_names_no_unicode_class() -> None:
    expression = as_regex(TAGGED)
    assert "\\p" not in expression
    assert "(?" not in expression
    line = "Zoë: <head:C.>R2</head> <tail>東京都</tail>!"
    assert re.fullmatch(expression, f"{line}\n{line}")
    assert not re.fullmatch(expression, line.replace("C.", "Cx"))
    assert re.fullmatch(PORTABLE.alnum, "é")
    assert not re.fullmatch(PORTABLE.alnum, "]")


def test_lark_escapes_what_ends_its_terminals() -> None:
    start, line = as_lark(TAGGED).splitlines()
    assert start == 'start: LINE ("\\n" LINE){0,1}'
    assert r'<head:(A\/"B"|C\.)>(' in line
    assert r"LINE: /Relation: in\/at \(x\)\. Context: " in as_lark(FIELDS)
