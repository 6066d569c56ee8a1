"""Finds the sentences of a text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

import regex

from relgen.data.samples import Entity

# what ends a sentence, with closing marks, before a space and what may begin the next one
_END = regex.compile(
    r"[.!?…]+[\p{Pe}\p{Pf}\"']*(?=\s+[\p{Ps}\p{Pi}\"'¿¡]*[\p{Lu}\p{Lt}\p{Lo}\p{N}])"
    r"|[。！？｡؟।]+[\p{Pe}\p{Pf}]*|\n+"
)
# a point behind an initial or a title ends no sentence
_ABBREVIATED = regex.compile(
    r"(?<![\p{L}\p{N}])(?:\p{Lu}|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Mt|Gen|Col|Capt|Rev|Gov|Sen|Rep|[Nn]o|vs"
    r"|e\.g|i\.e|cf|approx|Fig|Figs|et al)\.$"
)


def sentence_spans(text: str, entities: Sequence[Entity] = ()) -> list[tuple[int, int]]:
    """Return where a text's sentences are, without the white space around them.

    No sentence ends inside an entity.
    """
    entities = sorted(entities, key=lambda entity: entity.start)
    starts = [entity.start for entity in entities]
    furthest = list(accumulate((entity.end for entity in entities), max))
    spans, start = [], 0
    for match in _END.finditer(text):
        end = match.end()
        before = bisect_left(starts, end)  # the entities that begin before this end
        if before and furthest[before - 1] > end:
            continue
        if _ABBREVIATED.search(text, max(0, end - 12), end):
            continue
        spans.append((start, end))
        start = end
    spans.append((start, len(text)))
    stripped = []
    for start, end in spans:
        bare = text[start:end]
        begin = start + len(bare) - len(bare.lstrip())
        if bare.strip():
            stripped.append((begin, begin + len(bare.strip())))
    return stripped
