"""Diversity of sentences as text: distinct n-grams, self-BLEU, repeated words, phrasings.

Free functions of words and strings. Words are what `relgen.data.samples.normalised` leaves: case
and punctuation do not count. `None` stands for a value that so few samples do not have.
"""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from relgen.data import Sample, normalised

NEUTRAL_WORD = "something"
SELF_BLEU_SENTENCES = 5_000  # of one relation; from more than these as many are drawn
Sentence = TypeVar("Sentence", bound=Sequence[str])

# the usual function words of English; in another language every word counts as a content word
_FUNCTION_WORDS = (
    "a about above after again against all also am an and any are as at be because been before "
    "being below between both but by can could did do does doing down during each few for from "
    "further had has have having he her here hers herself him himself his how i if in into is it "
    "its itself just may me might more most must my myself no nor not now of off on once only or "
    "other our ours ourselves out over own s same shall she should so some such t than that the "
    "their theirs them themselves then there these they this those through to too under until up "
    "upon very was we were what when where which while who whom whose why will with within "
    "without would you your yours yourself yourselves"
)
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def words(text: str) -> list[str]:
    """The words of a sentence, in lower case and without punctuation."""
    return normalised(text).split()


def masked(text: str, head: tuple[int, int], tail: tuple[int, int]) -> str:
    """The sentence with `something` in place of both entities.

    What is left tells whether sentences differ in more than in their entities.

    Args:
        text: the sentence.
        head: first character and end (exclusive) of the head.
        tail: the same of the tail.
    """
    for start, end in sorted([head, tail], reverse=True):
        text = text[:start] + NEUTRAL_WORD + text[end:]
    return text


def phrasing(sample: Sample) -> str:
    """The normalised text between head and tail, and which of the two comes first."""
    first, second = sorted([sample.head, sample.tail], key=lambda entity: entity.start)
    order = "head-tail" if first is sample.head else "tail-head"
    return f"{order}: {normalised(sample.text[first.end : second.start])}"


def distinct(sentences: Iterable[Sequence[str]], order: int) -> float | None:
    """Distinct n-grams over all n-grams (Li et al. 2016); higher is more diverse.

    Args:
        sentences: the words of each sentence.
        order: n.
    """
    total, different = 0, set[tuple[str, ...]]()
    for sentence in sentences:
        grams = _grams(sentence, order)
        total += len(grams)
        different.update(grams)
    return len(different) / total if total else None


def word_repetition(sentences: Iterable[Sequence[str]]) -> float | None:
    """The share of content words that occur in another sentence as well; lower is more diverse.

    Counted over all content words (tokens, not types) of all sentences: 0 when no two sentences
    share a content word, 1 when every one is shared. A word repeated within one sentence only does
    not count. This is relgen's definition of the paper's "rate of repeated words", which public
    summaries of the paper do not define.

    Args:
        sentences: the words of each sentence.
    """
    number, times, sentences_with = 0, Counter[str](), Counter[str]()
    for sentence in sentences:
        content = [word for word in sentence if word not in FUNCTION_WORDS]
        number += 1
        times.update(content)
        sentences_with.update(set(content))
    total = times.total()
    if number < 2 or not total:
        return None
    return sum(count for word, count in times.items() if sentences_with[word] > 1) / total


def subsample(sentences: Iterable[Sentence], size: int, rng: random.Random) -> list[Sentence]:
    """Draws `size` sentences, each with the same probability, and holds no more than these.

    Algorithm R (Vitter 1985). Of `size` sentences or fewer all are kept, in their order.

    Args:
        sentences: any number of them; read once.
        size: how many to keep, at least 1.
        rng: makes the choices.
    """
    stream = iter(sentences)
    kept = list(itertools.islice(stream, size))
    for number, sentence in enumerate(stream, start=size + 1):
        place = rng.randrange(number)
        if place < size:
            kept[place] = sentence
    return kept


def self_bleu(sentences: Sequence[Sequence[str]], max_order: int = 4) -> float | None:
    """Mean BLEU of each sentence against all the others (Zhu et al. 2018); lower is more diverse.

    Zero n-gram matches count as 0.1, like in the reference implementation (Texygen: Chen and Cherry
    2014, method 1); the brevity penalty takes the nearest length, of two the shorter. The clipped
    counts come from each n-gram's two highest counts, so time is linear in the number of
    sentences. All their n-grams are held at the same time, some 10 kB a sentence: of very many
    sentences, take a `subsample`.

    Args:
        sentences: the words of each sentence.
        max_order: n-grams up to this length, with equal weights.
    """
    if len(sentences) < 2:
        return None
    counts = [
        [Counter(_grams(sentence, order)) for order in range(1, max_order + 1)]
        for sentence in sentences
    ]
    top = [_two_highest([of[order] for of in counts]) for order in range(max_order)]
    lengths = sorted(map(len, sentences))
    scores = []
    for index, (sentence, of) in enumerate(zip(sentences, counts, strict=True)):
        logs = 0.0
        for order in range(max_order):
            matches: float = 0
            for gram, count in of[order].items():
                holder, highest, second = top[order][gram]
                matches += min(count, second if holder == index else highest)
            if order == 0 and not matches:
                break
            logs += math.log((matches or 0.1) / max(1, len(sentence) - order)) / max_order
        else:
            nearest = _nearest_other(lengths, len(sentence))
            penalty = 1 if len(sentence) > nearest else math.exp(1 - nearest / len(sentence))
            scores.append(penalty * math.exp(logs))
    return sum(scores) / len(sentences)


def _grams(sentence: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return [tuple(sentence[i : i + order]) for i in range(len(sentence) - order + 1)]


def _two_highest(
    counts: Sequence[Counter[tuple[str, ...]]],
) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """Per n-gram: the sentence with its highest count, that count, the highest of the others."""
    top: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for index, of in enumerate(counts):
        for gram, count in of.items():
            holder, highest, second = top.get(gram, (index, 0, 0))
            if count > highest:
                top[gram] = (index, count, highest)
            else:
                top[gram] = (holder, highest, max(second, count))
    return top


def _nearest_other(ordered: Sequence[int], length: int) -> int:
    """The nearest value to `length` in a sorted list that holds it, once it is taken out."""
    place = bisect_left(ordered, length)
    neighbours = [*ordered[max(0, place - 1) : place], *ordered[place + 1 : place + 2]]
    return min(neighbours, key=lambda other: (abs(other - length), other))
