"""Compares an export's predictions with those of the classifier, before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from relgen import __version__
from relgen.classifiers import local_folder
from relgen.common import (
    InputError,
    counted,
    read_json,
)
from relgen.data import Prediction, RelationSchema, Sample, iter_samples
from relgen.data.corpora import read_split


class Agreement(NamedTuple):
    """On how many of the sentences labels differ, and the largest difference of a probability.

    `too_long` sentences, which the classifier would cut, were not compared.
    """

    sentences: int
    differing: int
    largest: float
    too_long: int = 0

    @property
    def share(self) -> float:
        return self.differing / self.sentences

    def __str__(self) -> str:
        if not self.differing:
            same = f"the same labels as the classifier on {counted(self.sentences, 'sentence')}"
        else:
            same = (
                f"labels other than the classifier's on {self.differing} of "
                f"{counted(self.sentences, 'sentence')} ({self.share:.1%})"
            )
        left_out = f"; {self.too_long} longer ones were not compared" if self.too_long else ""
        return f"{same}; probabilities differ by at most {self.largest:.2g}{left_out}"


def comparison_samples(path: str | Path | None) -> list[Sample]:
    """Return the samples of a file, or those of the everyday corpus's test set."""
    return read_split("test") if path is None else list(iter_samples(path, labelled=False))


def inputs_of(samples: Sequence[Sample]) -> tuple[list[Any], list[Any]]:
    """Return samples as the runners of exports take them: (text, head, tail), and the types."""
    spans = [
        (one.text, (one.head.start, one.head.end), (one.tail.start, one.tail.end))
        for one in samples
    ]
    return spans, [(one.head.type, one.tail.type) for one in samples]


def allowed_types(schema: RelationSchema) -> list[list[list[str]]]:
    """Return for each label the types of heads and of tails that it allows; none means all."""
    return [
        [[], []] if one.name == schema.negative else [[*one.head_types], [*one.tail_types]]
        for one in schema
    ]


def measure_agreement(
    expected: Sequence[Prediction], found: Sequence[dict[str, float]]
) -> Agreement:
    """Compare a classifier's predictions with an export's probabilities, `{label: p}` each."""
    pairs = list(zip(expected, found, strict=True))
    return Agreement(
        len(pairs),
        sum(one.relation != max(scores, key=scores.__getitem__) for one, scores in pairs),
        max(abs(p - scores[label]) for one, scores in pairs for label, p in one.scores.items()),
    )


def require_same(agreement: Agreement, what: str, *, allowed: float, remedy: str) -> None:
    """Raise InputError if more labels differ than the allowed share."""
    if agreement.share > allowed:
        problem = f"{what} gives {agreement}; at most {allowed:.1%} of the labels may differ"
        raise InputError(problem, remedy=remedy)


def origin(folder: str | Path, agreements: dict[str, Agreement]) -> dict[str, Any]:
    """Return the content of an export's `relgen_export.json`."""
    return {
        "classifier": str(folder),
        "weights": read_json(local_folder(folder) / "config.json")["weights"],
        "relgen_version": __version__,
        "agreement": {name: one._asdict() for name, one in agreements.items()},
    }
