"""Limits of a draft's length: those of the settings, or else what the labelled samples need.

A limit that the settings give is part of the grammar: no draft is longer, and a model that has more
to say glues words or stops in the middle. The others are no part of it, and a draft that exceeds
them is rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from relgen.data import Sample, word_counts
from relgen.generation.settings import GenerationSettings

# for a few short labelled samples
_MIN_WORDS, _MAX_WORDS = 5, 60
_ENTITY_WORDS, _CONTEXT_WORDS, _CONTEXT_CHARS = 3, 10, 160
_WORD_CHARS, _LONG_WORD_CHARS = 23, 40


class Limits(NamedTuple):
    """Limits of words in a sentence; of words or characters in an entity and around entities.

    `open` says that those of the settings are not given, and so what a draft may exceed.
    """

    min_words: int
    max_words: int
    entity_words: int
    context_words: int
    context_chars: int
    open_entity: bool
    open_context: bool

    @classmethod
    def of(cls, settings: GenerationSettings, train: Sequence[Sample]) -> Limits:
        """Return the limits of the settings, the others from the labelled samples."""
        counts = [word_counts(sample.text) for sample in train]
        stretches = [stretch for sample in train for stretch in sample.contexts]
        mentions = [text for sample in train for text in _mentions(sample)]
        least, most = settings.min_words, settings.max_words
        given = settings.max_context_words if settings.one_sentence else settings.max_context_chars
        return cls(
            min([_MIN_WORDS, *(low for low, _ in counts)]) if least is None else least,
            max([_MAX_WORDS, least or 0, *(high for _, high in counts)]) if most is None else most,
            settings.max_entity_words or _longest(mentions, _ENTITY_WORDS),
            settings.max_context_words or _longest(stretches, _CONTEXT_WORDS),
            settings.max_context_chars or max([_CONTEXT_CHARS, *map(len, stretches)]),
            settings.one_sentence and settings.max_entity_words is None,
            given is None,
        )

    @property
    def for_grammar(self) -> dict[str, int | None]:
        """Return the bounds of the grammar, None where a limit is open."""
        return {
            "max_entity_words": None if self.open_entity else self.entity_words,
            "max_context_words": None if self.open_context else self.context_words,
            "max_context_chars": None if self.open_context else self.context_chars,
            "max_word_chars": None if self.open_context else _WORD_CHARS,
        }

    def overrun(self, sample: Sample, *, one_sentence: bool) -> str | None:
        """Return the reason to reject a sample that exceeds an open limit, or None."""
        if self.open_entity:
            for role, mention in zip(("head", "tail"), _mentions(sample), strict=True):
                if len(mention.split()) > self.entity_words:
                    return f"long_{role}"
        if not self.open_context:
            return None
        if not one_sentence:
            return "long_context" if max(map(len, sample.contexts)) > self.context_chars else None
        if max(map(_words, sample.contexts)) > self.context_words:
            return "long_context"
        longest = max(map(len, sample.text.split()))
        return "long_word" if longest >= _LONG_WORD_CHARS else None


def exceeded_limits(
    settings: GenerationSettings, train: Sequence[Sample]
) -> dict[str, dict[str, int]]:
    """Return the limits that the settings give and that labelled samples exceed, by name.

    Each with the `limit`, the number of samples `above` it among the `labelled`, and the `longest`.
    """
    words = settings.grammar and settings.one_sentence
    chars = settings.grammar and not settings.one_sentence
    limits: dict[str, tuple[int | None, Callable[[Sample], int]]] = {
        "max_words": (settings.max_words, lambda s: word_counts(s.text)[1]),
        "max_entity_chars": (settings.max_entity_chars, lambda s: max(map(len, _mentions(s)))),
        "max_entity_words": (
            settings.max_entity_words if words else None,
            lambda s: max(len(mention.split()) for mention in _mentions(s)),
        ),
        "max_context_words": (
            settings.max_context_words if words else None,
            lambda s: max(map(_words, s.contexts)),
        ),
        "max_context_chars": (
            settings.max_context_chars if chars else None,
            lambda s: max(map(len, s.contexts)),
        ),
    }
    found = {}
    for name, (limit, size) in limits.items():
        above = [] if limit is None else [n for n in map(size, train) if n > limit]
        if limit is not None and above:
            counts = {"above": len(above), "labelled": len(train), "longest": max(above)}
            found[name] = {"limit": limit, **counts}
    return found


def _mentions(sample: Sample) -> tuple[str, str]:
    return sample.head_text, sample.tail_text


def _longest(texts: Sequence[str], least: int) -> int:
    return max([least, *(len(text.split()) for text in texts)])


def _words(stretch: str) -> int:
    """Count the words of a text around entities, without a suffix that touches an entity."""
    return len(stretch.split()) - (stretch[:1] in "'’,;:.!?")
