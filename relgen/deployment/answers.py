"""Answers sentences, and raw texts, in the rows that `relgen predict` writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from relgen.data import Sample
from relgen.prediction import Predictor, RawText

Answers = list[dict[str, Any]]


def answers_of(predictor: Predictor) -> Callable[[Sequence[Sample | RawText]], list[Answers]]:
    """Return a function from sentences and texts, of any ids, to the rows of each.

    A sentence has one row, and a text those of the pairs between which a relation holds.
    """

    def answer(items: Sequence[Sample | RawText]) -> list[Answers]:
        numbered = [replace(item, id=str(number)) for number, item in enumerate(items)]
        found: list[Answers] = [[] for _ in items]
        for row in predictor(numbered)[0]:
            number, slash, pair = row["id"].partition("/")
            name = items[int(number)].id
            row["id"] = f"{name}{slash}{pair}"
            if "document" in row:
                row["document"] = name
            found[int(number)].append(row)
        return found

    return answer
