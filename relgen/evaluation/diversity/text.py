"""Diversity of sentences as text: distinct n-grams, self-BLEU, repeated words, phrasings.

Words are those of `relgen.data.words`. Measures that are not defined for so few sentences are None.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from relgen.data import Sample, normalised

NEUTRAL_WORD = "something"
_ORDERS = 4
"""BLEU's longest n-grams; all orders have equal weights."""


def masked(sample: Sample) -> str:
    """Return the sentence with both entities replaced by `something`, overlapping ones once."""
    before, between, after = sample.contexts
    second = "" if sample.overlapping else f"{between}{NEUTRAL_WORD}"
    return f"{before}{NEUTRAL_WORD}{second}{after}"


def phrasing(sample: Sample) -> str:
    """Return the normalised text between head and tail, prefixed with their order."""
    order = "head-tail" if sample.head.start <= sample.tail.start else "tail-head"
    return f"{order}: {normalised(sample.contexts[1])}"


def distinct(sentences: Iterable[Sequence[str]], order: int) -> float | None:
    """Return the share of distinct n-grams among all n-grams of words (Li et al. 2016)."""
    total, different = 0, set[int]()
    for sentence in sentences:
        grams = _grams(sentence, order)
        total += len(grams)
        different.update(map(hash, grams))  # half the memory of the words; 64 bits do not collide
    return len(different) / total if total else None


def word_repetition(
    sentences: Iterable[Sequence[str]], function_words: Collection[str]
) -> float | None:
    """Return the share of content words (tokens, not types) that occur in another sentence as well.

    Content words are all but the `function_words`.

    This is relgen's definition of the paper's "rate of repeated words", which public summaries of
    the paper do not define.
    """
    number, times, sentences_with = 0, Counter[str](), Counter[str]()
    for sentence in sentences:
        content = [word for word in sentence if word not in function_words]
        number += 1
        times.update(content)
        sentences_with.update(set(content))
    total = times.total()
    if number < 2 or not total:
        return None
    return sum(count for word, count in times.items() if sentences_with[word] > 1) / total


def self_bleu(sentences: Sequence[Sequence[str]]) -> float | None:
    """Return the mean BLEU-4 of each sentence against all the others (Zhu et al. 2018).

    Zero n-gram matches count as 0.1, as in the reference implementation (Texygen: Chen and Cherry
    2014, method 1); the brevity penalty uses the nearest length, and the shorter of two equally
    near ones. Counts are clipped by each n-gram's two highest counts, so time is linear in the
    number of sentences. Memory: about 10 kB per sentence.
    """
    if len(sentences) < 2:
        return None
    counts = [
        [Counter(_grams(sentence, order)) for order in range(1, _ORDERS + 1)]
        for sentence in sentences
    ]
    top = [_two_highest([of[order] for of in counts]) for order in range(_ORDERS)]
    lengths = sorted(map(len, sentences))
    scores = []
    for index, (sentence, of) in enumerate(zip(sentences, counts, strict=True)):
        logs = 0.0
        for order in range(_ORDERS):
            matches: float = 0
            for gram, count in of[order].items():
                holder, highest, second = top[order][gram]
                matches += min(count, second if holder == index else highest)
            if order == 0 and not matches:
                break
            logs += math.log((matches or 0.1) / max(1, len(sentence) - order)) / _ORDERS
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
    """Return each n-gram's sentence with the highest count, that count, and the next highest."""
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
    """Return the value nearest to one value of a sorted list, apart from that value itself."""
    place = bisect_left(ordered, length)
    neighbours = [*ordered[max(0, place - 1) : place], *ordered[place + 1 : place + 2]]
    return min(neighbours, key=lambda other: (abs(other - length), other))
