"""Near copies, one of the kinds of rejected sample (`relgen.dpo.preference_pairs`)."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from relgen.data import Entity, Sample


def near_copy(sample: Sample, pool: Sequence[Sample], rng: random.Random) -> Sample:
    """Return a copy of a sample with other entities and a few other words.

    Head and tail are replaced by entities of the same type and role from the pool, and about one
    context word in six (at least one) by a word of the same shape from the pool.
    """
    mentions = {role: _replacement(sample, role, pool, rng) for role in ("head", "tail")}
    roles = sorted(mentions, key=lambda role: getattr(sample, role).start)
    first, second = (getattr(sample, role) for role in roles)
    contexts = [
        sample.text[: first.start],
        sample.text[first.end : second.start],
        sample.text[second.end :],
    ]
    contexts = _change_words(contexts, _words_by_shape(pool), rng)
    text = ""
    entities: dict[str, Any] = {}
    for context, role in zip(contexts, roles, strict=False):
        start = len(text) + len(context)
        text += context + mentions[role]
        entities[role] = Entity(start, len(text), getattr(sample, role).type)
    return replace(sample, id=f"{sample.id}~near_copy", text=text + contexts[2], **entities)


def _replacement(sample: Sample, role: str, pool: Sequence[Sample], rng: random.Random) -> str:
    own: Entity = getattr(sample, role)
    taken = {sample.head_text.casefold(), sample.tail_text.casefold()}

    def mentions(same_type: bool) -> list[str]:
        found = {
            other.text[entity.start : entity.end]
            for other in pool
            for entity in [getattr(other, role)]
            if not same_type or entity.type == own.type
        }
        return sorted(mention for mention in found if mention.casefold() not in taken)

    candidates = mentions(same_type=True) or mentions(same_type=False)
    return rng.choice(candidates) if candidates else sample.text[own.start : own.end]


_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SUFFIXES = ("ing", "ed", "ly", "tion", "s")


def _shape(word: str) -> str:
    """Return a rough word class: short function words, then capitals and endings."""
    if len(word) <= 3:
        return "short"
    suffix = next((suffix for suffix in _SUFFIXES if word.casefold().endswith(suffix)), "")
    return f"{'Capital' if word[0].isupper() else 'lower'}-{suffix}"


def _words_by_shape(pool: Sequence[Sample]) -> dict[str, list[str]]:
    shapes: dict[str, set[str]] = {}
    for sample in pool:
        for word in _WORD.findall(sample.text):
            shapes.setdefault(_shape(word), set()).add(word)
    return {shape: sorted(words) for shape, words in shapes.items()}


def _change_words(
    contexts: list[str], words: Mapping[str, Sequence[str]], rng: random.Random
) -> list[str]:
    places = [
        (index, match)
        for index, text in enumerate(contexts)
        for match in _WORD.finditer(text)
        if len(match.group()) > 3
    ]
    number = min(len(places), max(1, round(len(places) / 6)))
    changed = list(contexts)
    # later words first, so that the offsets of earlier ones stay valid
    for index, match in sorted(
        rng.sample(places, number), key=lambda place: (place[0], -place[1].start())
    ):
        options = [w for w in words.get(_shape(match.group()), ()) if w != match.group()]
        if options:
            text = changed[index]
            changed[index] = text[: match.start()] + rng.choice(options) + text[match.end() :]
    return changed
