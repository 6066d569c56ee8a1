"""Confident learning on probabilities whose result is worked out by hand."""

from __future__ import annotations

import pytest
import torch

from relgen.labelling.confident import likelier_labels

pytestmark = pytest.mark.compute

NAN = float("nan")
LABELS = [0, 0, 0, 1, 1, 1, 2]
# in eighths; thresholds: (7 + 6 + 2) / 3 = 5, (5 + 4 + 3) / 3 = 4, and 6 of the last row
EIGHTHS = [
    [7, 1, 0],
    [6, 2, 0],
    [2, 4, 2],  # as likely a 1 as the average 1
    [3, 5, 0],
    [4, 4, 0],  # 0 is below the average of those that have it
    [5, 3, 0],  # as likely a 0 as the average 0
    [1, 1, 6],
]
ROWS = [[p / 8 for p in row] for row in EIGHTHS]


def found(rows: list[list[float]], labels: list[int]) -> list[int]:
    return likelier_labels(torch.tensor(rows), torch.tensor(labels)).tolist()


def test_a_label_is_wrong_where_another_one_is_likelier_than_on_average() -> None:
    assert found(ROWS, LABELS) == [-1, -1, 1, -1, -1, 0, -1]


@pytest.mark.parametrize("place", [0, 3])
def test_rows_that_were_not_left_out_are_not_judged_and_change_nothing(place: int) -> None:
    rows = [*ROWS[:place], [NAN] * 3, *ROWS[place:]]
    labels = [*LABELS[:place], 0, *LABELS[place:]]
    expected = [-1, -1, 1, -1, -1, 0, -1]
    expected.insert(place, -1)
    assert found(rows, labels) == expected


def test_a_label_that_nothing_has_is_never_likely() -> None:
    assert found([[0.1, 0.9], [0.3, 0.7]], [0, 0]) == [-1, -1]


def test_a_label_that_is_the_most_probable_stands() -> None:
    # thresholds: 12.5 and 7 sixteenths; of the second row 1 is likely, and 0 more probable
    rows = [[p / 16 for p in row] for row in ([16, 0], [9, 7], [12, 4], [6, 10])]
    assert found(rows, [0, 0, 1, 1]) == [-1] * 4


def test_of_several_likely_labels_the_most_probable_counts() -> None:
    # all three are likely for the first two rows
    rows = [[0.30, 0.36, 0.34], [0.36, 0.34, 0.30], [0.5, 0.30, 0.2], [0.5, 0.2, 0.25]]
    assert found(rows, [0, 0, 1, 2]) == [1, -1, 0, 0]
