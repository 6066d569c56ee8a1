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
from relgen.labelling.choice import choose_diverse, draw_sentences, select_rows, sketcher
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


def test_uncertain_and_different_rows_are_chosen() -> None:
    certain, doubtful = [0.98, 0.01, 0.01], [0.4, 0.3, 0.3]
    probabilities = torch.tensor([certain] * 6 + [doubtful] * 4)
    # the doubtful ones are two pairs of equal sentences
    sketches = torch.eye(8)[[0, 1, 2, 3, 4, 5, 6, 6, 7, 7]]
    # one certain row stands for all: their gradients are next to nothing
    chosen = choose_diverse(probabilities, sketches, 3, seed=1)
    assert [row > 5 for row in chosen] == [False, True, True]
    assert chosen[1] // 2 != chosen[2] // 2
    # a repetition comes last: there is nothing else to choose
    eight = choose_diverse(probabilities, sketches, 8, seed=1)
    assert set(range(6)) <= set(eight)
    assert sum(row in (6, 7) for row in eight) == 1
    assert choose_diverse(probabilities, sketches, 10, seed=1) == list(range(10))
    assert choose_diverse(probabilities, sketches, 99, seed=1) == list(range(10))


def test_a_larger_choice_includes_a_smaller_one_and_the_seed_decides() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(60, 4, generator=generator).softmax(dim=1)
    sketches = torch.nn.functional.normalize(torch.randn(60, 8, generator=generator))
    few, many = (choose_diverse(probabilities, sketches, most, seed=1) for most in (5, 20))
    assert set(few) < set(many)
    assert choose_diverse(probabilities, sketches, 20, seed=1) == many
    assert choose_diverse(probabilities, sketches, 20, seed=2) != many


def test_the_distance_is_that_of_the_products_of_error_and_sketch() -> None:
    """Of three rows the second is at distance 0 from the first: only the third can follow."""
    probabilities = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1]])
    sketches = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert [choose_diverse(probabilities, sketches, 2, seed=seed) for seed in range(5)] == [
        [0, 2]
    ] * 5


def test_a_sketch_has_length_one_and_keeps_what_is_near() -> None:
    states = torch.randn(50, 4, 2, 30, generator=torch.Generator().manual_seed(0))
    near = states[:1] + 0.01
    sketch = sketcher(states, seed=1)
    short = sketch(torch.cat([states, near]))
    assert short.shape == (51, 64)
    torch.testing.assert_close(short.norm(dim=1), torch.ones(51))
    alike = short @ short[0]
    assert alike[50] > 0.99
    assert alike[1:50].abs().max() < 0.6
    assert not torch.equal(sketcher(states, seed=2)(near), sketch(near))


def test_certain_rows_are_kept_or_the_most_useful_of_them() -> None:
    rows = [([p, 1 - p], [1.0, 0.0]) for p in (0.9, 0.55, 0.8, 0.55)]
    left_out: Counter[str] = Counter()
    assert select_rows(rows, LabelSettings(), left_out) == ([0, 1, 2, 3], [])
    assert select_rows(rows, LabelSettings(least_certainty=0.7), left_out) == ([0, 2], [1, 3])
    assert left_out == {}
    assert select_rows(rows, LabelSettings(least_certainty=0.7, most=1), left_out) == ([2], [1, 3])
    assert left_out == {"not_chosen": 1}
    with pytest.raises(InputError, match=r"the most certain sample has 0\.90"):
        select_rows(rows, LabelSettings(least_certainty=0.95), left_out)
