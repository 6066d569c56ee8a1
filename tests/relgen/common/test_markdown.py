"""Texts from outside in Markdown."""

from __future__ import annotations

import pytest

from relgen.common.markdown import markdown_code, markdown_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The head founded the tail, in 1990.", "The head founded the tail, in 1990."),
        ("a|b\nc", r"a\|b c"),
        ("<b>x</b>", "&#60;b&#62;x&#60;/b&#62;"),
        ("&lt;img&gt;", "&#38;lt;img&#38;gt;"),
        ("![x](http://a.b) *i* _u_ `c`", r"!\[x\](http:&#47;&#47;a.b) \*i\* \_u\_ \`c\`"),
        ("www.a.b, me@a.b", "www&#46;a.b, me&#64;a.b"),
        ("a\\", "a\\\\"),
        ("\x1b[31mred", r"\\x1b\[31mred"),
    ],
)  # fmt: skip
def test_text(text: str, shown: str) -> None:
    assert markdown_text(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lives_in", "`lives_in`"),
        ("a|b\nc", r"`a\|b c`"),
        ("a`b", "`` a`b ``"),
        ("``", "``` `` ```"),
        ("<b>", "`<b>`"),
        ("\x1b", r"`\x1b`"),
    ],
)
def test_code(text: str, shown: str) -> None:
    assert markdown_code(text) == shown
