"""Divides labelled samples into parts for cross-validation."""

from __future__ import annotations

from collections.abc import Sequence


def fold_of_rows(relations: Sequence[str], units: Sequence[int], folds: int) -> list[int | None]:
    """Return each row's fold; the sentences of each relation are dealt to the folds in turn.

    Rows that share a sentence (those of a unit, see `joined_rows`) are in the same fold. Sentences
    of a relation without a row in another fold, which would not be trained without them, are in
    none.
    """
    fold_of: dict[int, int] = {}
    rows = list(zip(relations, units, strict=True))
    turn = 0
    for _, unit in sorted(rows, key=lambda row: row[0]):
        if unit not in fold_of:
            fold_of[unit], turn = turn % folds, turn + 1
    used: dict[str, set[int]] = {}
    for relation, unit in rows:
        used.setdefault(relation, set()).add(fold_of[unit])
    # all rows of these: a sentence that is held out must not be trained on under another relation
    needed = {unit for relation, unit in rows if len(used[relation]) == 1}
    return [None if unit in needed else fold_of[unit] for _, unit in rows]
