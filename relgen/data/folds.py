"""Divides labelled samples into parts for cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

from relgen.data.text import normalised


def fold_of_rows(relations: Sequence[str], texts: Sequence[str], folds: int) -> list[int | None]:
    """Return each row's fold; the sentences of each relation are dealt to the folds in turn.

    Rows with the same sentence are in the same fold. Sentences of a relation without a row in
    another fold, which would not be trained without them, are in none.
    """
    fold_of: dict[str, int] = {}
    rows = list(zip(relations, map(normalised, texts), strict=True))
    turn = 0
    for _, text in sorted(rows, key=lambda row: row[0]):
        if text not in fold_of:
            fold_of[text], turn = turn % folds, turn + 1
    used: dict[str, set[int]] = {}
    for relation, text in rows:
        used.setdefault(relation, set()).add(fold_of[text])
    # all rows of these: a sentence that is held out must not be trained on under another relation
    needed = {text for relation, text in rows if len(used[relation]) == 1}
    return [None if text in needed else fold_of[text] for _, text in rows]
