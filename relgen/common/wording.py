"""Words of messages: what was meant by a misspelt name, and numbers of things."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import takewhile

_ALIKE = 0.7  # of `SequenceMatcher.ratio`
_SHORTEST, _SHORT = 3, 4
_SINGULAR = {"are": "is", "cross": "crosses", "have": "has", "were": "was"}


def similar_names(name: str, known: Iterable[str], n: int = 1) -> list[str]:
    """Return up to `n` known names that a misspelt one may stand for, the likeliest first.

    These are one slip of the fingers away (a letter more or less, another one, or two exchanged),
    or alike in most letters. Case, `-` and `_`, and whole parts that both have at their beginning
    or end (`model.`, `per:`, `.yaml`) do not count.
    """
    scores: dict[str, float] = {}
    for each in dict.fromkeys(known):
        one, other = _without_common_parts(_plain(each), _plain(name))
        ratio = difflib.SequenceMatcher(None, one, other).ratio()
        scores[each] = ratio + _one_slip(one, other)
    near = [each for each, score in scores.items() if score >= _ALIKE]
    return sorted(near, key=lambda each: -scores[each])[:n]


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return a remedy for a misspelt name: the nearest known one, or else another remedy."""
    near = similar_names(name, known)
    return f"did you mean '{near[0]}'?" if near else otherwise


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number of things in words: `1 sample`, `2 samples`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def statement(number: int, noun: str, said: str) -> str:
    """Return what is said of a number of things; its verb, the first word, is a plural.

    statement(1, "record", "have no text") == "1 record has no text"
    """
    verb, _, rest = said.partition(" ")
    if number == 1:
        verb = _SINGULAR.get(verb) or f"{verb}s"
    return f"{counted(number, noun)} {verb} {rest}".rstrip()


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _shared(one: str, other: str) -> int:
    """Return how many letters two words have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _without_common_parts(one: str, other: str) -> tuple[str, str]:
    shared = one[: _shared(one, other)]
    begin = max(shared.rfind(mark) + 1 for mark in "./: ")
    one, other = one[begin:], other[begin:]
    back = one[::-1]
    end = back[: _shared(back, other[::-1])].rfind(".") + 1
    return one[: len(one) - end], other[: len(other) - end]


def _one_slip(one: str, other: str) -> bool:
    """Return whether two words are the same but for one slip; of short ones, another letter is not.

    Words of one or two letters are no slips of each other.
    """
    shortest = min(len(one), len(other))
    start = _shared(one, other)
    one, other = one[start:], other[start:]
    end = _shared(one[::-1], other[::-1])
    one, other = one[: len(one) - end], other[: len(other) - end]
    if shortest < _SHORTEST:
        return False
    if len(one) == len(other):
        return (len(one) == 1 and shortest >= _SHORT) or (len(one) == 2 and one == other[::-1])
    return len(one) + len(other) == 1
