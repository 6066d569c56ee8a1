"""Near copies, one of the kinds of rejected sample (`relgen.dpo.preference_pairs`)."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from relgen.data import Entity, Sample, has_unspaced, normalised, word_spans

_SUFFIXES = ("ing", "ed", "ly", "tion", "s")
_ROLES = ("head", "tail")


class NearCopies:
    """Copies samples with other entities and a few other words, all from a pool of samples."""

    def __init__(self, pool: Sequence[Sample]) -> None:
        mentions: dict[tuple[str, str | None], set[str]] = {}
        every: dict[str, set[str]] = {role: set() for role in _ROLES}
        shapes: dict[str, set[str]] = {}
        for sample in pool:
            for role in _ROLES:
                entity = _entity(sample, role)
                mention = sample.text[entity.start : entity.end]
                mentions.setdefault((role, entity.type), set()).add(mention)
                every[role].add(mention)
            for start, end in word_spans(sample.text):
                word = sample.text[start:end]
                shapes.setdefault(_shape(word), set()).add(word)
        self._typed = {key: _Options(texts, normalised) for key, texts in mentions.items()}
        self._every = {role: _Options(texts, normalised) for role, texts in every.items()}
        self._words = {shape: _Options(words, str) for shape, words in shapes.items()}

    def copy(self, sample: Sample, rng: random.Random) -> Sample:
        """Return a near copy of a sample.

        Head and tail are replaced by different entities, of the same type and role where there are
        some, and about one context word in six (at least one) by a word of the same shape. The
        copies of overlapping entities stand beside each other.
        """
        mentions = self._mentions(sample, rng)
        roles = sorted(_ROLES, key=lambda role: _entity(sample, role).start)
        before, between, after = sample.contexts
        contexts = [before, " " if sample.overlapping else between, after]
        contexts = self._change_words(contexts, rng)
        text = ""
        entities: dict[str, Any] = {}
        for context, role in zip(contexts, roles, strict=False):
            start = len(text) + len(context)
            text += context + mentions[role]
            entities[role] = Entity(start, len(text), _entity(sample, role).type)
        return replace(sample, id=f"{sample.id}~near_copy", text=text + contexts[2], **entities)

    def _mentions(self, sample: Sample, rng: random.Random) -> dict[str, str]:
        """Return another head and another tail; the sample's own where the pool has none."""
        chosen = {}
        taken = {normalised(sample.head_text), normalised(sample.tail_text)}
        for role in _ROLES:
            own = _entity(sample, role)
            typed = self._typed.get((role, own.type))
            chosen[role] = (
                (typed and typed.choose(rng, taken))
                or self._every[role].choose(rng, taken)
                or sample.text[own.start : own.end]
            )
            taken.add(normalised(chosen[role]))
        return chosen

    def _change_words(self, contexts: Sequence[str], rng: random.Random) -> list[str]:
        places = [
            (index, start, end, options)
            for index, text in enumerate(contexts)
            for start, end in word_spans(text)
            if (options := self._words.get(_shape(text[start:end])))
            and options.has_other(text[start:end])
        ]
        long = [place for place in places if place[2] - place[1] > 3]
        places = long or places
        number = min(len(places), max(1, round(len(places) / 6)))
        changed = list(contexts)
        # later words first, so that the offsets of earlier ones stay valid
        chosen = rng.sample(places, number)
        if any(map(has_unspaced, contexts)):  # neighbours: letters of a word, not of each word
            first = rng.randrange(len(places) - number + 1)
            chosen = places[first : first + number]
        for index, start, end, options in sorted(chosen, key=lambda place: (place[0], -place[1])):
            text = changed[index]
            word = options.choose(rng, {text[start:end]})
            changed[index] = f"{text[:start]}{word}{text[end:]}"
        return changed


class _Options:
    """Texts to choose from, but for those with a key that is taken."""

    def __init__(self, texts: Iterable[str], key: Callable[[str], str]) -> None:
        self._texts = sorted(texts)
        self._places: dict[str, list[int]] = {}
        for place, text in enumerate(self._texts):
            self._places.setdefault(key(text), []).append(place)

    def has_other(self, key: str) -> bool:
        return len(self._texts) > len(self._places.get(key, ()))

    def choose(self, rng: random.Random, taken: set[str]) -> str | None:
        """Return any of the other texts, or None; takes the same time for any number of texts."""
        skipped = sorted(place for key in taken for place in self._places.get(key, ()))
        if len(skipped) == len(self._texts):
            return None
        place = rng.randrange(len(self._texts) - len(skipped))
        for skip in skipped:
            place += skip <= place
        return self._texts[place]


def _entity(sample: Sample, role: str) -> Entity:
    return sample.head if role == "head" else sample.tail


def _shape(word: str) -> str:
    """Return a rough word class: the script, short function words, then capitals and endings."""
    script = unicodedata.name(word[0], "").partition(" ")[0]
    if len(word) <= 3:
        return script
    suffix = next((suffix for suffix in _SUFFIXES if word.casefold().endswith(suffix)), "")
    return f"{script}-{'Capital' if word[0].isupper() else 'lower'}-{suffix}"
