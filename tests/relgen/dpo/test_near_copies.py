"""Copies with other entities and words."""

from __future__ import annotations

import random

from relgen.dpo.near_copies import near_copy
from tests.relgen.dpo.test_preference_pairs import samples


def test_near_copy_replaces_both_entities_and_a_word():
    pool = samples()
    source = pool[0]
    copy = near_copy(source, pool, random.Random(1))
    assert copy.head_text != source.head_text
    assert copy.tail_text != source.tail_text
    assert (copy.head.type, copy.tail.type) == ("THING", "PLACE")
    assert copy.text[copy.head.start : copy.head.end] == copy.head_text
    between = source.text[source.head.end : source.tail.start]
    changed = copy.text[copy.head.end : copy.tail.start]
    differing = [a != b for a, b in zip(between.split(), changed.split(), strict=True)]
    assert 1 <= sum(differing) <= 2
