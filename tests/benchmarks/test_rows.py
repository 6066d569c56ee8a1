"""The plain layout, number by number."""

from __future__ import annotations

from benchmarks.rows import lay_out_rows
from tests.relgen.dpo.test_prefix_tree import CHAIN


def test_rows_literally() -> None:
    rows = lay_out_rows([CHAIN])
    assert rows.input_ids.tolist() == [
        [1, 2, 3, 6, 7, 10, 0, 0, 0],
        [1, 2, 3, 4, 5, 6, 7, 12, 0],
        [1, 2, 3, 6, 7, 20, 21, 0, 0],
        [1, 2, 3, 4, 5, 6, 7, 22, 0],
    ]
    assert rows.attention_mask.sum(1).tolist() == [7, 9, 8, 9]
    assert rows.completion_mask.nonzero().tolist() == [
        [0, 5], [0, 6], [1, 7], [1, 8], [2, 5], [2, 6], [2, 7], [3, 7], [3, 8],
    ]  # fmt: skip
