"""Compares an export's predictions with those of the classifier, before it is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from relgen import __version__
from relgen.classifiers import local_folder
from relgen.common import InputError, content_hash, counted, read_json
from relgen.data import Prediction, RelationSchema, Sample, iter_samples

NEAR_TIE = 0.1
"""Two best probabilities that differ by less than this are a near tie."""
_MOST_SAMPLES = 500


class Agreement(NamedTuple):
    """Counts how an export's labels and probabilities differ from those of the classifier.

    Args:
        sentences: how many were compared.
        clear: those of which the classifier's two best probabilities are no near tie.
        differing: clear ones with another label.
        ties_differing: near ties with another label.
        mean: mean difference of the probability of the classifier's label.
        largest: largest difference of any probability.
        too_long: sentences that the classifier would cut, which were not compared.
    """

    sentences: int
    clear: int
    differing: int
    ties_differing: int
    mean: float
    largest: float
    too_long: int = 0

    def __str__(self) -> str:
        ties = self.sentences - self.clear
        if not self.differing + self.ties_differing:
            labels = f"the same labels as the classifier on {counted(self.sentences, 'sentence')}"
        else:
            share = self.differing / max(1, self.clear)
            labels = (
                f"labels other than the classifier's on {self.differing} of "
                f"{counted(self.clear, 'sentence')} ({share:.1%}), and on {self.ties_differing} of "
                f"{ties} whose two best probabilities differ by less than {NEAR_TIE}"
            )
        left_out = f"; {self.too_long} longer ones were not compared" if self.too_long else ""
        return (
            f"{labels}; probabilities differ by {self.mean:.2g} on average, "
            f"by at most {self.largest:.2g}{left_out}"
        )


def comparison_samples(path: str | Path | None, folder: str | Path) -> list[Sample]:
    """Return the samples of a file, or up to 500 of those that a classifier was trained with.

    The latter also with head and tail exchanged, since a classifier is sure of what it has learnt.
    Raises InputError if none of the files that its folder names is there as it was.
    """
    if path is not None:
        return list(iter_samples(path, labelled=False))
    data = read_json(local_folder(folder) / "config.json").get("data") or {}
    files = data.get("files", {}).values()
    found = [
        sample
        for entry in files
        if Path(entry["file"]).is_file() and content_hash(entry["file"]) == entry["sha256"]
        for sample in iter_samples(entry["file"], labelled=False)
    ]
    if not found:
        names = ", ".join(entry["file"] for entry in files) or "its folder names none"
        raise InputError(
            f"no sentences to compare labels on: the training files are not here ({names})",
            path=folder,
            remedy="give --samples FILE, with sentences of the kind that it is for",
        )
    found = found[:: math.ceil(len(found) / _MOST_SAMPLES)]
    return [*found, *(replace(one, head=one.tail, tail=one.head) for one in found)]


def inputs_of(samples: Sequence[Sample]) -> tuple[list[Any], list[Any]]:
    """Return samples as the runners of exports take them: (text, head, tail), and the types."""
    spans = [(one.text, one.head.span, one.tail.span) for one in samples]
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
    clear = [_margin(one) >= NEAR_TIE for one, _ in pairs]
    other = [one.relation != max(scores, key=scores.__getitem__) for one, scores in pairs]
    return Agreement(
        len(pairs),
        sum(clear),
        sum(differs and sure for differs, sure in zip(other, clear, strict=True)),
        sum(differs and not sure for differs, sure in zip(other, clear, strict=True)),
        fmean(abs(one.score - scores[one.relation]) for one, scores in pairs),
        max(abs(p - scores[label]) for one, scores in pairs for label, p in one.scores.items()),
    )


def _margin(prediction: Prediction) -> float:
    best, second = sorted([*prediction.scores.values(), 0.0], reverse=True)[:2]
    return best - second


def require_same(
    agreement: Agreement, what: str, *, differing: float, mean: float, remedy: str
) -> None:
    """Raise InputError if clear labels, or mean probabilities, differ by more than is allowed.

    Of few sentences, one may differ where the share `differing` is not 0.
    """
    if agreement.differing > math.ceil(differing * agreement.clear) or agreement.mean > mean:
        allowed = f"at most {differing:.1%} of these labels, and {mean:g} on average, may differ"
        raise InputError(f"{what} gives {agreement}; {allowed}", remedy=remedy)


def origin(folder: str | Path, agreements: dict[str, Agreement]) -> dict[str, Any]:
    """Return the content of an export's `relgen_export.json`."""
    return {
        "classifier": str(folder),
        "weights": read_json(local_folder(folder) / "config.json")["weights"],
        "relgen_version": __version__,
        "agreement": {name: one._asdict() for name, one in agreements.items()},
    }
