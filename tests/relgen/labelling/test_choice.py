"""Drawing sentences from a stream, and choosing among those that were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from relgen.common.errors import InputError
from relgen.data.exclusion import Exclusion
from relgen.data.samples import UNLABELLED, Sample
from relgen.labelling.choice import choose_valuable, draw_sentences, select_rows, sketcher
from relgen.labelling.settings import LabelSettings
from tests.relgen.labelling.words import sample

pytestmark = pytest.mark.compute

NOTHING = Exclusion([])


def raw(*numbers: int) -> list[Sample]:
    return [sample(number, UNLABELLED, "xcause", "raw") for number in numbers]


def drawn(samples: Sequence[Sample], most: int | None, seed: int = 1) -> list[str]:
    found = draw_sentences(samples, Counter(), test=NOTHING, labelled=NOTHING, most=most, seed=seed)
    return [one.id for one in found]


def counted(samples: Sequence[Sample], **options: Any) -> tuple[list[Sample], Counter[str]]:
    left_out = Counter[str]()
    return list(draw_sentences(samples, left_out, **options, seed=1)), left_out


def test_a_draw_depends_on_the_seed_and_not_on_the_order_of_the_lines() -> None:
    samples = raw(*range(40))
    assert drawn(samples, None) == [f"raw-{number}" for number in range(40)]
    ten = drawn(samples, 10)
    assert len(set(ten)) == 10
    assert drawn(samples[::-1], 10) == ten
    assert drawn(samples, 20)[:10] == ten
    assert drawn(samples, 10, seed=2) != ten
    assert set(drawn(samples, 99)) == {one.id for one in samples}


def test_every_sample_is_as_likely_as_any_other() -> None:
    samples = raw(*range(20))
    picked = [name for seed in range(400) for name in drawn(samples, 5, seed)]
    counts = [picked.count(one.id) for one in samples]
    assert min(counts) > 60  # 100 on average, with a deviation of 9
    assert max(counts) < 140


def test_what_is_left_out_is_counted_with_its_reason() -> None:
    samples = raw(*range(8))
    samples[1] = replace(samples[1], id="raw-0-again", text=samples[0].text)
    other_pair = replace(samples[0], id="other-pair", head=samples[0].tail, tail=samples[0].head)
    found, left_out = counted(
        [*samples, other_pair],
        test=Exclusion([samples[2], replace(samples[3], id="test-1")], None),
        labelled=Exclusion([replace(samples[4], id="human-1")], None),
        most=3,
    )
    assert len(found) == 3
    assert left_out == {
        "test_id": 1,
        "test_sentence": 1,
        "labelled": 1,
        "repeated": 1,  # the same sentence and entities; another pair of them is another sample
        "not_drawn": 2,
    }


def test_near_copies_of_labelled_sentences_are_counted_apart() -> None:
    samples = raw(1, 2)
    samples[1] = replace(samples[1], text=samples[1].text.replace("they say", "or not, I hear"))
    human = [replace(samples[0], id="human", text=samples[0].text.replace("Ann", "Bob"))]
    found, left_out = counted(samples, test=NOTHING, labelled=Exclusion(human, 0.7), most=9)
    assert ([one.id for one in found], left_out) == (["raw-2"], {"near_copy": 1})


def test_labelled_samples_may_repeat_others_unless_they_are_of_the_test_set() -> None:
    samples = [sample(1, "cause", "xcause", source) for source in ("a", "b")]
    assert drawn(samples, None) == ["a-1", "b-1"]
    excluded = Exclusion(samples, None)
    found, left_out = counted(samples, test=NOTHING, labelled=excluded, most=None)
    assert (len(found), left_out) == (2, {})
    found, left_out = counted(samples, test=Exclusion(samples), labelled=NOTHING, most=None)
    assert (found, left_out) == ([], {"test_id": 2})


NONE_KNOWN = torch.empty(0, 8)


def test_uncertain_and_different_rows_are_chosen() -> None:
    certain, doubtful = [0.98, 0.01, 0.01], [0.4, 0.3, 0.3]
    probabilities = torch.tensor([certain] * 6 + [doubtful] * 4)
    # the first two doubtful ones are equal, and the last one is like a certain one
    sketches = torch.eye(8)[[0, 1, 2, 3, 4, 5, 6, 6, 7, 5]]
    # a label tells of all that are alike, so that a repetition is worth a third of the first
    assert choose_valuable(probabilities, sketches, NONE_KNOWN, 5) == [6, 5, 8, 7, 9]
    assert choose_valuable(probabilities, sketches, NONE_KNOWN, 3) == [6, 5, 8]
    assert sorted(choose_valuable(probabilities, sketches, NONE_KNOWN, 99)) == list(range(10))


def test_what_is_like_a_labelled_sample_comes_later() -> None:
    sketches = torch.eye(8)[:3]
    alike = torch.full((3, 2), 0.5)
    assert choose_valuable(alike, sketches, NONE_KNOWN, 3) == [0, 1, 2]
    assert choose_valuable(alike, sketches, sketches[[0, 0, 1]], 3) == [2, 1, 0]


def test_the_most_valuable_row_lowers_the_variance_of_all_predictions_most() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(9, 3, generator=generator).softmax(dim=1)
    sketches, known = (
        torch.nn.functional.normalize(torch.randn(n, 8, generator=generator), dim=1) for n in (9, 2)
    )
    best, second = probabilities.sort(dim=1, descending=True).values[:, :2].T
    weights = (1 - best + second).sqrt()

    def variance(rows: list[int]) -> float:
        """Return the weighted sum of the variances with the labels of some rows."""
        given = torch.cat([known, sketches[rows]])
        covariance = torch.linalg.inv(torch.eye(8) + given.T @ given)
        return float((weights * ((sketches @ covariance) * sketches).sum(dim=1)).sum())

    chosen: list[int] = []
    for _ in range(4):
        rest = [row for row in range(9) if row not in chosen]
        chosen.append(min(rest, key=lambda row: variance([*chosen, row])))
    assert choose_valuable(probabilities, sketches, known, 4) == chosen


def test_a_sketch_has_length_one_and_keeps_what_is_near() -> None:
    states = torch.randn(50, 4, 2, 30, generator=torch.Generator().manual_seed(0))
    near = states[:1] + 0.01
    sketch = sketcher(states, seed=1)
    short = sketch(torch.cat([states, near]))
    assert short.shape == (51, 256)
    torch.testing.assert_close(short.norm(dim=1), torch.ones(51))
    alike = short @ short[0]
    assert alike[50] > 0.99
    assert alike[1:50].abs().max() < 0.6
    assert not torch.equal(sketcher(states, seed=2)(near), sketch(near))


def test_certain_rows_are_kept_or_the_most_useful_of_them() -> None:
    rows = [([p, 1 - p], torch.eye(4)[i].tolist()) for i, p in enumerate((0.9, 0.55, 0.8, 0.55))]
    left_out: Counter[str] = Counter()

    def select(**settings: Any) -> list[int]:
        return select_rows(rows, torch.empty(0, 4), LabelSettings(**settings), left_out)

    assert select() == [0, 1, 2, 3]
    assert select(least_certainty=0.7) == [0, 2]
    assert left_out == {}
    assert select(least_certainty=0.7, most=1) == [2]
    assert left_out == {"not_chosen": 1}
    with pytest.raises(InputError, match=r"the most certain sample has 0\.90"):
        select(least_certainty=0.95)
