"""Finds text about the task, and letters of another script than that of the labelled samples.

What counts comes from the prompt, the schema and the samples, so that it holds in any language; no
word counts that a labelled sample of the relation uses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import regex

from relgen.data import Relation, Sample, jaccard, scripts, word_set, words
from relgen.prompting import task_terms

_TERMS = 2  # one alone may be an ordinary word: the head of a department
# of a label that is no ordinary words: `founded_by`, `Cause-Effect(e1,e2)`, `org:founded`, `P17`
_CODED = regex.compile(r"[_(:/\d]|\p{Ll}-?\p{Lu}")
_DIRECTION = regex.compile(r"\s*\(.*\)$")
_PART = regex.compile(r"(?=\w*\p{L})(?=\w*\d)\w+")


class OffTopic:
    """Finds texts for a relation that are about the task, or in another script.

    Args:
        train: the labelled samples.
    """

    def __init__(self, train: Sequence[Sample]) -> None:
        self._texts: defaultdict[str, list[str]] = defaultdict(list)
        for sample in train:
            self._texts[sample.relation].append(sample.text)
        self._scripts = scripts(" ".join(sample.text for sample in train))

    def about_task(
        self, text: str, relation: Relation, labels: tuple[str, ...], near_copy: float
    ) -> bool:
        """Return whether a text names the task's terms or labels, or repeats the explanation.

        `labels` are the names and titles of all relations; from an overlap of `near_copy`, a text
        repeats the explanation of its relation. One term is enough with both of the words around it
        that it has there, as in "the head is".
        """
        shown = "\n".join(self._texts[relation.name])
        terms = task_terms(text) - task_terms(shown)
        quoted = _threes(text) & _threes(relation.explanation) if terms else set()
        names = _names(labels)
        named = {name.casefold() for name in names.findall(text)} if names else set()
        return (
            len(terms) >= _TERMS
            or any(terms & task_terms(phrase) for phrase in quoted)
            or jaccard(word_set(text), word_set(relation.explanation)) >= near_copy
            or any(name not in shown.casefold() for name in named)
        )

    def is_foreign(self, text: str, allow_whole: bool = False) -> bool:
        """Return whether a text has a script that no labelled sample has; false without samples.

        Args:
            text: of a draft.
            allow_whole: return false for a text that has no letter of the samples' scripts.
        """
        own = scripts(text)
        if allow_whole and not own & self._scripts:
            return False
        foreign = own - self._scripts if self._scripts else set()
        # names and abbreviations in Latin letters are at home among those of other scripts
        return bool(foreign) and not (foreign == {"LATIN"} and own != foreign)


def _threes(text: str) -> set[str]:
    """Return every three consecutive words of a text."""
    found = words(text)
    return {" ".join(found[start : start + 3]) for start in range(len(found) - 2)}


@lru_cache(maxsize=64)
def _names(labels: tuple[str, ...]) -> regex.Pattern[str] | None:
    """Return an expression for labels that are no ordinary words, and for their parts like `e1`."""
    coded = [label for label in labels if _CODED.search(label)]
    names = {_DIRECTION.sub("", label) for label in coded}
    names = {name for name in names if _CODED.search(name)}
    names |= {part for label in coded for part in _PART.findall(label)}
    if not names:
        return None
    either = "|".join(map(regex.escape, sorted(names, key=len, reverse=True)))
    return regex.compile(rf"(?<!\w)(?:{either})(?!\w)", regex.IGNORECASE)
