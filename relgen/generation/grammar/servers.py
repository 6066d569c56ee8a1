"""The grammar of tagged text in the forms that servers read: a regular expression, and GBNF.

Engines differ in what they know of Unicode classes, so that both forms name no letters: a letter or
digit is any character that is no ASCII punctuation. So they take every text that `GrammarSpec`
takes, and of texts with other characters than ASCII's some more. What comes back is checked against
the grammar itself (`GrammarSpec.matches`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from relgen.data import escape
from relgen.generation.grammar.fields import FieldsSpec
from relgen.generation.grammar.spec import GrammarSpec
from relgen.prompting import UNTYPED

# character classes read the same in both notations
_ANY = r"[^<>\t\n\r]"
_LINE = r"[^\t\n\r]"
_SOLID = r"[^<>\t\n\r ]"
_ALNUM = r"""[^ !"#$%&'()*+,./:;<=>?@\[\\\]^_`{|}~\t\n\r-]"""
_IN_NUMBER = "[0-9][.,:][0-9]"
_PAUSE = "[,;:]{0,1}"


def as_regex(spec: GrammarSpec) -> str:
    """A regular expression without Unicode classes and look-around."""
    return _answer(spec, _Notation(_regex_text, ""))


def as_gbnf(spec: GrammarSpec) -> str:
    """llama.cpp's notation."""
    return f"root ::= {_answer(spec, _Notation(_gbnf_text, ' '))}"


@dataclass(frozen=True, slots=True)
class _Notation:
    """What differs: how a text is written, and what stands between the parts of a sequence."""

    text: Callable[[str], str]
    gap: str

    def sequence(self, *parts: str) -> str:
        return self.gap.join(part for part in parts if part)

    def choice(self, *parts: str) -> str:
        return f"({'|'.join(parts)})"

    def repeated(self, part: str, low: int, high: int) -> str:
        return f"({part}){{{low},{high}}}"


def _answer(spec: GrammarSpec, to: _Notation) -> str:
    line = _line(spec, to)
    if spec.lines == 1:
        return line
    return to.sequence(line, to.repeated(to.sequence(to.text("\n"), line), 0, spec.lines - 1))


def _line(spec: GrammarSpec, to: _Notation) -> str:
    if isinstance(spec, FieldsSpec):
        return _fields(spec, to)
    first, middle, last = _sentence(spec, to) if spec.one_sentence else _free(spec, to)
    head = _entity("head", spec.head_types, spec, to)
    tail = _entity("tail", spec.tail_types, spec, to)
    order = to.choice(to.sequence(head, middle, tail), to.sequence(tail, middle, head))
    return to.sequence(first, order, last)


def _free(spec: GrammarSpec, to: _Notation) -> tuple[str, str, str]:
    size = spec.max_context_chars
    first = to.repeated(to.sequence(_SOLID, f"{_ANY}{{0,{size - 1}}}"), 0, 1)
    return first, f"{_ANY}{{1,{size}}}", f"{_ANY}{{0,{size}}}"


def _sentence(spec: GrammarSpec, to: _Notation) -> tuple[str, str, str]:
    """Ordinary words with single spaces between, as `GrammarSpec` has them."""
    most, space = spec.max_context_words, to.text(" ")
    inside = to.choice(_ALNUM, "[$'%&/-]", _IN_NUMBER)
    opening = to.sequence('["(]{0,1}', to.choice(_ALNUM, "[$]", _IN_NUMBER))
    # quotation marks that are not ASCII are letters here
    plain = to.sequence(opening, f"{inside}{{0,24}}", '[")]{0,1}')
    word = to.choice(to.sequence(plain, _PAUSE), "[-]")
    possessive = to.repeated(to.choice(to.text("'s"), to.text("’s")), 0, 1)
    suffix = to.sequence(possessive, _PAUSE)
    after = to.sequence(space, word)
    first = to.repeated(to.sequence(word, space), 0, most)
    inner = to.choice(space, "[-]", to.sequence(to.repeated(after, 1, most), space))
    ending = to.sequence(suffix, to.repeated(after, 0, most - 1), space, plain)
    last = to.sequence(to.choice(possessive, ending), "[.!?]")
    return first, to.sequence(suffix, inner), last


def _fields(spec: FieldsSpec, to: _Notation) -> str:
    context = f"{_LINE}{{1,{3 * spec.max_context_chars + 2 * spec.max_entity_chars}}}"
    mention = f"{_LINE}{{1,{spec.max_entity_chars}}}"
    return to.sequence(
        to.text(f"Relation: {spec.relation}. Context: "),
        context,
        to.text(" Head Entity: "),
        mention,
        to.text(". Head Type: "),
        to.choice(*map(to.text, spec.head_types or (UNTYPED,))),
        to.text(". Tail Entity: "),
        mention,
        to.text(". Tail Type: "),
        to.choice(*map(to.text, spec.tail_types or (UNTYPED,))),
        to.text("."),
    )


def _entity(role: str, types: tuple[str, ...], spec: GrammarSpec, to: _Notation) -> str:
    if spec.one_sentence:
        inside = to.choice(_ALNUM, "['%&+/-]", _IN_NUMBER)
        rest = f"{inside}{{0,{min(spec.max_entity_chars, 25) - 1}}}"
        begins = to.choice(_ALNUM, "[$#@&]", _IN_NUMBER)
        abbreviation = to.repeated(to.sequence(f"{_ALNUM}{{1,3}}", "[.]"), 1, 4)
        word = to.choice(to.sequence(begins, rest), abbreviation)
        begun = to.repeated(to.sequence(word, to.text(" ")), 0, spec.max_entity_words - 1)
        mention = to.sequence(begun, word)
    else:
        inner = f"{_ANY}{{0,{max(spec.max_entity_chars - 2, 0)}}}"
        mention = to.sequence(_SOLID, to.repeated(to.sequence(inner, _SOLID), 0, 1))
    kinds = to.choice(*(to.text(escape(kind)) for kind in types)) if types else ""
    opening = (
        to.sequence(to.text(f"<{role}:"), kinds, to.text(">")) if types else to.text(f"<{role}>")
    )
    return to.sequence(opening, mention, to.text(f"</{role}>"))


def _regex_text(text: str) -> str:
    return "".join("\\" + c if c in r"\.^$*+?{}[]()|" else c for c in text).replace("\n", r"\n")


def _gbnf_text(text: str) -> str:
    quoted = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{quoted}"'
