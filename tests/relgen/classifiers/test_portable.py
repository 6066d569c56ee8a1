"""The layouts of inputs, and the file that exports carry."""

from __future__ import annotations

import pytest

from relgen.classifiers.portable import (
    MarkerLayout,
    PromptLayout,
    boundaries,
    describe,
    keep_nearest,
    split_around,
)
from relgen.data.samples import Entity, Sample

pytestmark = pytest.mark.compute


def test_entities_longer_than_the_input_are_cut_from_their_ends() -> None:
    assert keep_nearest(20, [(0, 10), (10, 20)], 8) == [0, 1, 2, 9, 10, 11, 12, 19]


def test_context_goes_by_its_distance() -> None:
    assert keep_nearest(12, [(1, 4), (8, 11)], 8) == [0, 1, 2, 3, 4, 8, 9, 10]
    assert keep_nearest(12, [(1, 4), (8, 11)], 10) == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    assert keep_nearest(12, [(1, 4), (8, 11)], 12) == list(range(12))


def test_white_space_moves_into_the_entity() -> None:
    pieces = split_around("The storm hit Bern.", (14, 18), (4, 9))
    assert pieces == ["The", " storm", " hit", " Bern", "."]


MARKERS = {"head": {"": [[7], [8]], "CITY": [[17], [8]]}, "tail": {"": [[9], [10]]}}


@pytest.mark.parametrize(
    ("head", "tail", "types", "expected"),
    [
        ((2, 4), (6, 8), ("", ""), ([1, 30, 7, 31, 8, 32, 9, 33, 10, 34, 2], [2, 6])),
        ((6, 8), (2, 4), ("CITY", "CITY"), ([1, 30, 9, 31, 10, 32, 17, 33, 8, 34, 2], [6, 2])),
        # the tail is inside of the head
        ((2, 8), (4, 6), ("", ""), ([1, 30, 7, 31, 9, 32, 10, 33, 8, 34, 2], [2, 4])),
    ],
)
def test_markers_stand_around_the_entities(
    head: tuple[int, int],
    tail: tuple[int, int],
    types: tuple[str, str],
    expected: tuple[list[int], list[int]],
) -> None:
    layout = MarkerLayout([1], [2], 20, MARKERS)
    found = layout.join([[30], [31], [32], [33], [34]], head, tail, types)
    assert found == (*expected, False)


def test_the_prompt_names_head_and_tail() -> None:
    layout = PromptLayout([1], [2], [3], 32, 7, 8, 9)
    assert layout.texts("Ann met Ben.", (8, 11), (0, 3)) == [
        *("", "Ann", " met", " Ben", "."),
        *(" Ben", " Ann"),
    ]
    found = layout.join([[], [31], [32], [33], [34], [33], [31]], (8, 11), (0, 3), ("", ""))
    assert found.input_ids == [1, 31, 32, 33, 34, 2, 7, 33, 7, 9, 8, 31, 8, 3]
    assert found.positions == [9, 6, 8, 10, 12]


def test_white_space_moves_into_the_inner_entity() -> None:
    assert split_around("The storm of Bern.", (4, 17), (13, 17)) == [
        *("The", " storm of", " Bern", "", ".")
    ]


def test_markers_of_nested_entities_are_kept_first() -> None:
    # markers at 0, 3, 5 and 9
    assert keep_nearest(12, [(0, 10), (3, 6)], 4) == [0, 3, 5, 9]
    assert keep_nearest(12, [(0, 10), (3, 6)], 6) == [0, 1, 3, 4, 5, 9]


@pytest.mark.parametrize("head", [(0, 3), (2, 5), (2, 9), (4, 7), (7, 9)])
@pytest.mark.parametrize("tail", [(0, 3), (2, 5), (2, 9), (4, 7), (7, 9)])
def test_boundaries_are_those_of_samples(head: tuple[int, int], tail: tuple[int, int]) -> None:
    sample = Sample("x", "abcdefghij", Entity(*head), Entity(*tail), "r")
    assert boundaries(head, tail) == sample.boundaries()


def test_a_layout_travels_as_json() -> None:
    settings = {"start": [1], "between": [2], "end": [3], "max_length": 32}
    settings |= {"sub": 7, "obj": 8, "mask": 9}
    layout = PromptLayout([1], [2], [3], 32, 7, 8, 9)
    assert describe(layout) == {"name": "PromptLayout", "settings": settings}
