"""Specifies the form of a draft, tagged text or a line of fields, in the notations of engines.

Tagged text has each tag once, in either order, bounded lengths, and entities that are neither empty
nor surrounded by white space. An answer in AAO has several such lines. llguidance's Lark allows
exactly the texts that `GrammarSpec.matches` accepts. The notations for servers allow some more with
non-ASCII characters, so a server's answers are checked afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import regex

from relgen.data import escape
from relgen.prompting import NO_TYPE


class Alphabet(NamedTuple):
    """Character classes of an engine's regular expressions.

    `alnum` is a letter or a digit, and `inside` one of these or a combining mark. `begin` and `end`
    may be the first and the last character of an entity. `free` is any character outside of tags,
    `line` any character of a line; `solid` and `solid_line` are the latter two without the space.
    """

    alnum: str
    inside: str
    begin: str
    end: str
    free: str
    solid: str
    line: str
    solid_line: str


# no complement with bounded repeats of words ("not </head>"): that overflows llguidance's lexer
UNICODE = Alphabet(
    alnum=r"[\p{L}\p{N}]",
    inside=r"[\p{L}\p{N}\p{M}]",
    begin=r"([^<>\s\p{Cc}\p{M}\p{Pe}\p{Terminal_Punctuation}]|[.!?])",
    end=r"([^<>\s\p{Cc}\p{Ps}\p{Terminal_Punctuation}]|[.!?\p{Sentence_Terminal}])",
    free=r"[^<>\p{Cc}]",
    solid=r"[^<>\s\p{Cc}]",
    line=r"[^\p{Cc}]",
    solid_line=r"[^\s\p{Cc}]",
)
_LETTER = r"""[^ !"#$%&'()*+,./:;<=>?@\[\\\]^_`{|}~\t\n\r-]"""
PORTABLE = Alphabet(
    alnum=_LETTER,
    inside=_LETTER,
    begin=r"[^<>,:;)}\]\t\n\r ]",
    end=r"[^<>,:;({\[\t\n\r ]",
    free=r"[^<>\t\n\r]",
    solid=r"[^<>\t\n\r ]",
    line=r"[^\t\n\r]",
    solid_line=r"[^\t\n\r ]",
)
"""For servers, whose engines differ in the Unicode classes that they know: a letter or digit is any
character but ASCII punctuation. So these classes take all that `UNICODE` takes, and more."""

_REGEX_TOKEN = re.compile(
    r"(?P<literal>(?:\\.|[^\\\[()|?*+{])+)|(?P<repeat>[?*+]|\{\d+,\d+\})|\[(?:\\.|[^\]\\])+\]|[()|]",
    re.DOTALL,
)
_IN_NUMBER = "[0-9][.,:][0-9]"
_POSSESSIVE = "('s|’s)?"
_SUFFIX = f"{_POSSESSIVE}[,;:]?"
_STOP = "[.!?।؟۔]"


@dataclass(frozen=True, slots=True)
class GrammarSpec:
    """The form of an answer in tagged text.

    `one_sentence` requires ordinary words, single spaces, and a final full stop, question or
    exclamation mark, so that a small model stops where the sentence ends. Limits are then in words:
    characters would cut one. Otherwise any text is allowed: several sentences, scripts without
    spaces, and particles next to a name. None sets no limit; the states of an engine's automaton
    multiply with every other one.
    """

    lines: int = 1  # samples in an answer, at most
    max_entity_chars: int = 60  # of each of its words with `one_sentence`
    max_entity_words: int | None = 6
    max_context_chars: int | None = 160  # of each stretch before, between and after the entities
    max_context_words: int | None = 20
    max_word_chars: int | None = 23  # with `one_sentence`
    one_sentence: bool = False
    adjacent: bool = False  # the entities may touch, in scripts without spaces
    nested: bool = False  # an entity may begin or end the other one
    head_types: tuple[str, ...] = ()  # to write into the tag; empty for a plain tag
    tail_types: tuple[str, ...] = ()

    def matches(self, line: str) -> bool:
        """Return True if one line of an answer has this form."""
        return _compiled(replace(self, lines=1)).fullmatch(line) is not None

    def pattern(self, of: Alphabet = UNICODE) -> str:
        """Return a regular expression for one line of an answer."""
        first, middle, last = self._contexts(of)
        entity = f"({self._entity(of)})"
        opening = {
            "head": f"<head{_tag_types(self.head_types)}>",
            "tail": f"<tail{_tag_types(self.tail_types)}>",
        }
        head, tail = (f"{tag}{entity}</{role}>" for role, tag in opening.items())
        pairs = [f"{head}({middle}){tail}", f"{tail}({middle}){head}"]
        if self.nested:
            pairs += [
                f"{opening[outer]}{inside}</{outer}>"
                for outer, inner in (("head", tail), ("tail", head))
                for inside in (f"{entity} {inner}", f"{inner} {entity}")
            ]
        return f"({first})({'|'.join(pairs)})({last})"

    def _contexts(self, of: Alphabet) -> tuple[str, str, str]:
        """Return expressions for the text before, between and after the entities."""
        if not self.one_sentence:
            size = self.max_context_chars
            first = f"({of.solid}{of.free}{_times(0, size, less=1)})?"
            least = 0 if self.adjacent else 1
            return first, f"{of.free}{_times(least, size)}", f"{of.free}{_times(0, size)}"
        # a limit in characters would cut a word and put a tag there
        most, last_word = self.max_context_words, _last_word(of, self.max_word_chars)
        word = _word(last_word)
        first = f"({word} ){_times(0, most)}"
        middle = f"{_SUFFIX}( |-|( {word}){_times(1, most)} )"
        last = f"({_POSSESSIVE}|{_SUFFIX}( {word}){_times(0, most, less=1)} {last_word}){_STOP}"
        return first, middle, last

    def _entity(self, of: Alphabet) -> str:
        """Return an expression for an entity's mention."""
        if self.one_sentence:
            begin = f"({of.alnum}|[$€£#@&]|{_IN_NUMBER})"
            inside = f"({of.inside}|['’&%+/-]|{_IN_NUMBER})"
            most = self.max_entity_chars
            rest = min(most, (self.max_word_chars or most) + 2) - 1
            word = f"({begin}{inside}{{0,{rest}}}|({of.alnum}{{1,3}}[.]){{1,4}})"
            return f"({word} ){_times(0, self.max_entity_words, less=1)}{word}"
        # signs and brackets may come first, as in `(R)-warfarin`, if a letter or a digit follows
        first = min(4, max(self.max_entity_chars - 2, 0))
        signs = f"({of.begin}{of.solid}{{0,{first - 1}}})?" if first else ""
        inner = max(self.max_entity_chars - first - 2, 0)
        return f"{signs}{of.alnum}({of.free}{{0,{inner}}}{of.end})?"


@dataclass(frozen=True, slots=True)
class FieldsSpec(GrammarSpec):
    """The form of a line of fields, with limits and types as in tagged text.

    `relation` is the only one that the line may name. A grammar cannot require the context to
    contain the entities; `read_fields` checks that.
    """

    relation: str = ""

    def pattern(self, of: Alphabet = UNICODE) -> str:
        entity = self._entity(of)
        return (
            f"{_literal(f'Relation: {self.relation}. Context: ')}{self._context(of)}"
            f" Head Entity: ({entity})[.] Head Type: {_one_of(self.head_types or (NO_TYPE,))}[.]"
            f" Tail Entity: ({entity})[.] Tail Type: {_one_of(self.tail_types or (NO_TYPE,))}[.]"
        )

    def _context(self, of: Alphabet) -> str:
        if self.one_sentence:
            most = _whole(self.max_context_words, self.max_entity_words)
            last_word = _last_word(of, self.max_word_chars)
            return f"({_word(last_word)} ){_times(1, most)}{last_word}{_STOP}"
        most = _whole(self.max_context_chars, self.max_entity_chars)
        return f"{of.solid_line}{of.line}{_times(1, most)}"


def as_lark(spec: GrammarSpec) -> str:
    """Return the grammar in llguidance's dialect of Lark."""
    more = f' ("\\n" LINE){{0,{spec.lines - 1}}}' if spec.lines > 1 else ""
    line = spec.pattern().replace("/", r"\/")  # a slash would end the expression
    return f"start: LINE{more}\nLINE: /{line}/"


def as_regex(spec: GrammarSpec) -> str:
    """Return a regular expression without Unicode classes and look-around, as vLLM needs it."""
    line = spec.pattern(PORTABLE)
    return line if spec.lines == 1 else rf"{line}(\n{line}){{0,{spec.lines - 1}}}"


def as_gbnf(spec: GrammarSpec) -> str:
    """Return the grammar in llama.cpp's notation: the regular expression with quoted literals."""
    parts = ["root ::="]
    for token in _REGEX_TOKEN.finditer(as_regex(spec)):
        if token["repeat"]:
            parts[-1] += token["repeat"]
        elif token["literal"]:
            plain = re.sub(r"\\(.)", lambda x: x[1].replace("n", "\n"), token["literal"])
            parts.append(_quoted(plain))
        else:
            parts.append(token[0])
    return " ".join(parts)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def _times(least: int, most: int | None, less: int = 0) -> str:
    """Return the repetition `least` to `most - less` times; without end for None."""
    if most is None:
        return "+" if least else "*"
    return f"{{{least},{most - less}}}"


def _whole(context: int | None, entity: int | None) -> int | None:
    """Return the limit of a text with both entities, from that of each part."""
    return None if context is None or entity is None else 3 * context + 2 * entity


def _last_word(of: Alphabet, most: int | None) -> str:
    # Ordinary words: a full stop only between digits, no quotation mark before a tag. Otherwise a
    # small model that must not end before both entities would start a second sentence.
    begin = f"({of.alnum}|[$€£]|{_IN_NUMBER})"
    inside = f"({of.inside}|['’%&/-]|{_IN_NUMBER})"
    return f"""["“‘(]?{begin}{inside}{_times(0, most, less=1)}["”)]?"""


def _word(last_word: str) -> str:
    return f"({last_word}[,;:]?|[–-])"


def _tag_types(types: tuple[str, ...]) -> str:
    return f":{_one_of(tuple(map(escape, types)))}" if types else ""


def _one_of(names: tuple[str, ...]) -> str:
    return f"({'|'.join(map(_literal, names))})"


def _literal(text: str) -> str:
    return regex.sub(r"[\\.^$*+?{}\[\]()|]", r"\\\g<0>", text)


@lru_cache(maxsize=256)
def _compiled(spec: GrammarSpec) -> regex.Pattern[str]:
    return regex.compile(spec.pattern())
