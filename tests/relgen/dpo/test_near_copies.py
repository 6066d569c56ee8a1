"""Copies with other entities and words."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from relgen.data.samples import Entity, Sample
from relgen.data.text import words
from relgen.dpo.near_copies import NearCopies
from tests import tiny
from tests.relgen.dpo.test_preference_pairs import samples


def contexts(sample: Sample) -> list[str]:
    first, second = sorted([sample.head, sample.tail], key=lambda entity: entity.start)
    text = sample.text
    return [text[: first.start], text[first.end : second.start], text[second.end :]]


def test_near_copy_replaces_both_entities_and_a_word():
    pool = samples()
    source = pool[0]
    copy = NearCopies(pool).copy(source, random.Random(1))
    assert copy.head_text != source.head_text
    assert copy.tail_text != source.tail_text
    assert (copy.head.type, copy.tail.type) == ("THING", "PLACE")
    assert copy.text[copy.head.start : copy.head.end] == copy.head_text
    between = source.text[source.head.end : source.tail.start]
    changed = copy.text[copy.head.end : copy.tail.start]
    differing = [a != b for a, b in zip(between.split(), changed.split(), strict=True)]
    assert 1 <= sum(differing) <= 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # the only long word has no other of its shape
        ("{} is a neighbour of {}.", "{} had the aid of {}."),
        ("{}和{}去年在上海结婚了。", "{}是{}的老师，教了很久。"),
        ("{}อาศัยอยู่ที่{}มานาน", "{}ทำงานใน{}ทุกวัน"),
        ("{} ने {} को किताब दी।", "{} का {} से झगड़ा हुआ।"),
        ("{}는 {}에서 왔다.", "{}가 {}으로 갔다."),
    ],
)
def test_a_word_changes_in_any_script(one: str, other: str) -> None:
    marks = ("<head>{}</head>", "<tail>{}</tail>")
    pool = [
        tiny.tagged(text.format(*marks).format(*names))
        for text, names in ((one, ("ann", "bob")), (other, ("cid", "dan")))
    ]
    copies = NearCopies(pool)
    for seed in range(20):
        copy = copies.copy(pool[0], random.Random(seed))
        assert (copy.head_text, copy.tail_text) == ("cid", "dan")
        old, new = (words("".join(contexts(sample))) for sample in (pool[0], copy))
        assert 1 <= sum(a != b for a, b in zip(old, new, strict=True)) <= 3
        assert not copy.splits_words()


def test_head_and_tail_stay_different():
    people = ["Ann", "Bob", "Cid"]
    pool = [
        Sample(f"{a}-{b}", f"{a} saw {b} there.", Entity(0, 3), Entity(8, 11), "r")
        for a in people
        for b in people
        if a != b
    ]
    copies = NearCopies(pool)
    for seed in range(50):
        for sample in pool:
            copy = copies.copy(sample, random.Random(seed))
            assert copy.head_text != copy.tail_text


def test_overlapping_entities_become_two_beside_each_other():
    nested = tiny.tagged("We saw the <head>University of <tail>Bern</tail></head> again.")
    other = tiny.tagged("They left the <head>harbour</head> of <tail>Oslo</tail> slowly.")
    copy = NearCopies([nested, other]).copy(nested, random.Random(0))
    assert (copy.head_text, copy.tail_text) == ("harbour", "Oslo")
    assert " the harbour Oslo " in copy.text


def test_entities_of_another_type_are_taken_where_there_are_no_others():
    one, other = (
        tiny.tagged(f"<head>{head}</head> left <tail>Bern</tail>.") for head in ("Ann", "Acme")
    )
    other = replace(other, head=replace(other.head, type="ORG"))
    assert NearCopies([one, other]).copy(one, random.Random(1)).head_text == "Acme"
