"""Chooses what to read of files of any size, and which of the sentences read are worth keeping.

Both choices depend on the seed and the content alone, not on the order of the lines, and a larger
number includes the choice of a smaller one.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from relgen.common import InputError, text_hash
from relgen.data import UNLABELLED, Exclusion, Sample, normalised
from relgen.labelling.settings import LabelSettings

_SKETCH = 256
_LEAST_WEIGHT = 1e-3
Row = tuple[list[float], list[float]]
"""The probabilities of a sample's relations, and its states in short (`sketcher`)."""


def draw_sentences(
    samples: Iterable[Sample],
    left_out: Counter[str],
    *,
    test: Exclusion,
    labelled: Exclusion,
    most: int | None,
    seed: int,
) -> Iterator[Sample]:
    """Yield at most `most` usable samples, all for None.

    They come in the order of the draw, or in that of the files, one in memory at a time, if all are
    taken. `left_out` counts the others: `test_id`, `test_sentence`, `test_near_copy` and
    `not_drawn`; of samples without a relation also those that are labelled already (`labelled`, or
    `near_copy` of one) and those that come twice with the same entities (`repeated`).
    """
    seen: set[int] = set()
    kept: list[tuple[int, int, Sample]] = []  # a heap, whose first entry is the next to give way
    for place, sample in enumerate(samples):
        # the same for the same sentence and entities
        words = map(normalised, (sample.text, sample.head_text, sample.tail_text))
        number = int(text_hash("\0".join([str(seed), *words]))[:16], 16)
        if reason := test.reason(sample):
            left_out[f"test_{reason}"] += 1
        elif sample.relation == UNLABELLED and (reason := labelled.reason(sample)):
            left_out["near_copy" if reason == "near_copy" else "labelled"] += 1
        elif sample.relation == UNLABELLED and number in seen:
            left_out["repeated"] += 1
        elif most is None:
            yield sample
        elif len(kept) < most:
            heapq.heappush(kept, (-number, place, sample))
        else:
            left_out["not_drawn"] += 1
            heapq.heappushpop(kept, (-number, place, sample))
        seen.add(number)
    yield from (sample for *_, sample in sorted(kept, reverse=True))


def sketcher(states: Tensor, seed: int) -> Callable[[Tensor], Tensor]:
    """Return a function that maps states (N, S, L, H) to short vectors (N, D) of length 1.

    It centres and scales by the labelled samples' `states`, and projects at random, which nearly
    keeps angles (Johnson and Lindenstrauss 1984).
    """
    flat = states.flatten(1)  # (K, F)
    mean, deviation = flat.mean(dim=0), flat.std(dim=0, correction=0) + 1e-3
    generator = torch.Generator().manual_seed(seed)
    projection = torch.randn(flat.shape[1], _SKETCH, generator=generator)

    def sketch(states: Tensor) -> Tensor:
        projected = ((states.flatten(1) - mean) / deviation) @ projection
        return torch.nn.functional.normalize(projected, dim=1)

    return sketch


def select_rows(
    rows: Sequence[Row], known: Tensor, settings: LabelSettings, left_out: Counter[str]
) -> list[int]:
    """Return the rows to keep: the certain ones in order, or the most valuable of them, best first.

    `known` (K, D) are the sketches of the labelled samples. Counts those not chosen. Raises
    InputError if no row is certain enough.
    """
    most_probable, least = [max(row[0]) for row in rows], settings.least_certainty
    kept = [i for i, p in enumerate(most_probable) if p >= least]
    if not kept:
        problem, best = "no sample is certain enough", max(most_probable)
        remedy = f"lower it (the most certain sample has {best:.2f}), or generate more"
        raise InputError(problem, field="least_certainty", value=least, remedy=remedy)
    if settings.most is not None:
        certain = [rows[i] for i in kept]
        probabilities, sketches = (torch.tensor(part) for part in zip(*certain, strict=True))
        useful = choose_valuable(probabilities, sketches, known, settings.most)
        left_out["not_chosen"] = len(kept) - len(useful)
        kept = [kept[i] for i in useful]
    return kept


def choose_valuable(probabilities: Tensor, sketches: Tensor, known: Tensor, most: int) -> list[int]:
    """Return `most` rows, the most valuable first: those whose labels would tell most.

    In a Bayesian linear regression on the sketches, whose prior and noise have variance 1, a label
    lowers the variance of the predictions for all rows, the more for those that are like it. Each
    next row is the one that lowers their sum most, given the labelled samples and the rows before
    it (transductive experimental design; Yu, Bi and Tresp, ICML 2006). Rows count by how uncertain
    they are, softened by a root, since a probe on few samples knows that badly itself.

    `probabilities` are (N, R), `sketches` (N, D), and `known` (K, D) those of labelled samples.
    """
    first, second = probabilities.topk(2, dim=1).values.T  # (N,)
    weights = (1 - (first - second)).clamp(min=_LEAST_WEIGHT).sqrt().double()  # (N,)
    rows, known = sketches.double(), known.double()
    moment = (rows.T * weights) @ rows  # (D, D)
    precision = torch.eye(rows.shape[1], dtype=rows.dtype) + known.T @ known
    # covariances of rows and weights, (N, D), kept up to date as rows are chosen
    covariances = rows @ torch.linalg.inv(precision)
    gains = covariances @ moment
    chosen: list[int] = []
    for _ in range(min(most, len(rows))):
        variances = 1 + (covariances * rows).sum(dim=1)  # (N,)
        values = (gains * covariances).sum(dim=1) / variances
        values[chosen] = -math.inf
        chosen.append(best := int(values.argmax()))
        step = covariances[best] / variances[best].sqrt()  # (D,)
        along = rows @ step  # (N,)
        covariances -= torch.outer(along, step)
        gains -= torch.outer(along, step @ moment)
    return chosen
