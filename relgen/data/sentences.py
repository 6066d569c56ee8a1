"""Finds the sentences of a text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

import regex

from relgen.data.samples import Entity

# what ends a sentence, with closing marks; after a full stop and the like, a space must follow. A
# line break ends none after a comma or before a small letter, where the text is only wrapped
_END = regex.compile(
    r"(?P<point>[.!?…]+[\p{Pe}\p{Pf}\"']*)(?=\s+\S)|[。！？｡؟।]+[\p{Pe}\p{Pf}]*"
    r"|(?<!,[^\S\n]*)\n(?![^\S\n]*\p{Ll})\n*"
)
# what may begin the next sentence there: no small letter, but for names such as p53 and β-catenin
_BEGIN = regex.compile(
    r"\s+[\p{Ps}\p{Pi}\"'¿¡]*"
    r"([\p{Lu}\p{Lt}\p{Lo}\p{N}]|\p{Ll}+-?[\p{Lu}\p{N}]|[\p{Ll}&&\p{Greek}]-\p{L})?",
    regex.VERSION1,
)
# a point behind an initial or a title ends no sentence
_ABBREVIATED = regex.compile(
    r"(?<![\p{L}\p{N}])(?:\p{Lu}|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Mt|Gen|Col|Capt|Rev|Gov|Sen|Rep|[Nn]o|vs"
    r"|e\.g|i\.e|cf|approx|Fig|Figs|et al)\.$"
)


def sentence_spans(text: str, entities: Sequence[Entity] = ()) -> list[tuple[int, int]]:
    """Return where a text's sentences are, without the white space around them.

    No sentence ends inside an entity, and any entity may begin one.
    """
    entities = sorted(entities, key=lambda entity: entity.start)
    starts = [entity.start for entity in entities]
    beginnings, ends = set(starts), {entity.end for entity in entities}
    furthest = list(accumulate((entity.end for entity in entities), max))
    spans, start = [], 0
    for match in _END.finditer(text):
        end = match.end()
        before = bisect_left(starts, end)  # the entities that begin before this end
        if before and furthest[before - 1] > end:
            continue
        following = _BEGIN.match(text, end) if match["point"] else None
        if following and not following[1] and following.end() not in beginnings:
            continue
        if match.start() not in ends and _ABBREVIATED.search(text, max(0, end - 12), end):
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
