"""The grammar of a line of fields (see `field_markup`), for engines and the check afterwards.

It cannot ask for a context that holds the entities: that is seen when the line is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

from relgen.generation.grammar.spec import LAST_WORD, WORD, GrammarSpec
from relgen.prompting import UNTYPED


@dataclass(frozen=True, slots=True)
class FieldsSpec(GrammarSpec):
    """What a line of fields may look like; bounds and types as in tagged text.

    Args:
        relation: the only relation that the line may name.
    """

    relation: str = ""

    def lark(self) -> str:
        """The grammar in llguidance's dialect of Lark."""
        more = f' ("\\n" LINE){{0,{self.lines - 1}}}' if self.lines > 1 else ""
        # one terminal: where a context ends is not to be decided by a lexer
        return f"start: LINE{more}\nLINE: /{self.pattern()}/"

    def pattern(self) -> str:
        """One line of an answer, as an expression of the `regex` package."""
        entity = self._entity()
        parts = [
            _literal(f"Relation: {self.relation}. Context: "),
            self._context(),
            rf" Head Entity: ({entity})\. Head Type: {_one_of(self.head_types)}\.",
            rf" Tail Entity: ({entity})\. Tail Type: {_one_of(self.tail_types)}\.",
        ]
        return "".join(parts)

    def _context(self) -> str:
        if self.one_sentence:
            most = 3 * self.max_context_words + 2 * self.max_entity_words
            return rf"({WORD} ){{1,{most}}}{LAST_WORD}[.!?]"
        most = 3 * self.max_context_chars + 2 * self.max_entity_chars
        return rf"[^\s\p{{Cc}}][^\p{{Cc}}]{{1,{most}}}"


def _one_of(types: tuple[str, ...]) -> str:
    names = types or (UNTYPED,)
    return f"({'|'.join(map(_literal, names))})"


def _literal(text: str) -> str:
    # a slash would end the expression in a grammar
    return regex.escape(text, special_only=True).replace("/", r"\/")
