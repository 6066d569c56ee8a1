"""The notations of a grammar, written out; which texts they accept is in `test_llguidance`."""

from __future__ import annotations

import re

from relgen.generation.grammar.notations import as_gbnf, as_lark, as_regex
from relgen.generation.grammar.spec import PORTABLE, FieldsSpec, GrammarSpec

SPEC = GrammarSpec(lines=2, max_context_chars=9, max_entity_chars=3, head_types=('A/"B"', "C."))
FIELDS = FieldsSpec(relation="in/at (x)", max_context_chars=2, max_entity_chars=2)


def test_gbnf_is_the_expression_with_quoted_literals() -> None:
    grammar = as_gbnf(FIELDS)
    assert grammar.startswith(
        'root ::= "Relation: in/at (x). Context: " [^\\t\\n\\r ] [^\\t\\n\\r]{1,10}'
    )
    assert grammar.endswith('" Tail Type: " ( "ENTITY" ) [.]')
    assert '"<head:" ( "A/\\"B\\"" | "C." ) ">"' in as_gbnf(SPEC)
    assert ') ( "\\n" ( ( ' in as_gbnf(SPEC)
    assert as_gbnf(SPEC).endswith("){0,1}")


def test_the_portable_expression_names_no_unicode_class() -> None:
    expression = as_regex(SPEC)
    assert "\\p" not in expression
    assert "(?" not in expression
    line = "Zoë: <head:C.>R2</head> <tail>東京都</tail>!"
    assert re.fullmatch(expression, f"{line}\n{line}")
    assert not re.fullmatch(expression, line.replace("C.", "Cx"))
    assert re.fullmatch(PORTABLE.alnum, "é")
    assert not re.fullmatch(PORTABLE.alnum, "]")


def test_lark_escapes_what_ends_its_terminals() -> None:
    start, line = as_lark(SPEC).splitlines()
    assert start == 'start: LINE ("\\n" LINE){0,1}'
    assert r'<head:(A\/"B"|C\.)>(' in line
    assert r"LINE: /Relation: in\/at \(x\)\. Context: " in as_lark(FIELDS)
