"""`measure`, the seeded draw, sizes of compared sets, and vector measures worked out by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from relgen.data.samples import Entity, Sample
from relgen.evaluation.diversity import measurement
from relgen.evaluation.diversity.measurement import (
    common_sizes,
    draw,
    mean_pairwise_cosine,
    measure,
    vendi_score,
)

pytestmark = pytest.mark.compute


class FirstLetter:
    """An encoder that looks at the first letter only."""

    name = "first-letter"

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def encode(self, texts: Sequence[str]) -> Tensor:
        self.sizes.append(len(texts))
        return torch.eye(26)[[ord(text[0].lower()) - ord("a") for text in texts]]


def _samples(relation: str, words: str) -> list[Sample]:
    samples = []
    for number, word in enumerate(words.split()):
        text = f"{word} made smoke"
        tail = Entity(len(text) - 5, len(text))
        samples.append(Sample(f"{relation}{number}", text, Entity(0, len(word)), tail, relation))
    return samples


def test_measure_has_the_documented_shape_and_values() -> None:
    samples = _samples("cause", "ash bark ash") + _samples("lone", "coal")
    result = measure(samples, encoder=FirstLetter(), seed=1)
    keys = ["overall", "per_relation", "size", "sizes", "self_bleu_sizes", "encoder"]
    assert list(result) == [*keys, "function_words"]
    assert list(result["overall"]) == [
        *("cosine", "cosine_masked", "distinct_1", "distinct_2", "distinct_3", "self_bleu"),
        *("vendi", "word_repetition", "phrasings"),
    ]
    cause = result["per_relation"]["cause"]
    assert cause["cosine"] == pytest.approx(1 / 3)
    assert cause["cosine_masked"] == pytest.approx(1.0)  # every head reads `something`
    assert cause["distinct_1"] == pytest.approx(4 / 9)
    assert cause["phrasings"] == pytest.approx(1 / 3)
    assert cause["word_repetition"] == pytest.approx(8 / 9)  # all words but `bark`
    assert result["sizes"] == result["self_bleu_sizes"] == {"cause": 3, "lone": 1}
    assert (result["size"], result["encoder"]) == (3, "first-letter")


def test_the_encoder_gets_one_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = _samples("r", "ash bark ash coal dust")
    whole = measure(samples, encoder=FirstLetter(), seed=1)
    monkeypatch.setattr(measurement, "_BLOCK", 2)
    encoder = FirstLetter()
    assert measure(samples, encoder=encoder, seed=1) == whole
    assert encoder.sizes == [2, 2, 2, 2, 1, 1]


def test_one_sample_has_no_pairwise_values() -> None:
    result = measure(_samples("lone", "coal"), encoder=FirstLetter(), seed=1)
    lone = result["per_relation"]["lone"]
    missing = ["cosine", "cosine_masked", "self_bleu", "word_repetition"]
    assert [name for name, value in lone.items() if value is None] == missing
    assert lone["vendi"] == pytest.approx(1.0)
    assert '"cosine": null' in json.dumps(result, allow_nan=False)


def test_overall_is_the_mean_over_relations_that_have_a_value() -> None:
    samples = _samples("a", "ash ash") + _samples("b", "ash bark") + _samples("c", "coal")
    result = measure(samples, encoder=FirstLetter(), seed=1)
    assert result["overall"]["cosine"] == pytest.approx((1 + 0) / 2)


def test_the_draw_is_seeded_and_keeps_the_order() -> None:
    samples = _samples("r", "a b c d e f g h")
    first = draw(samples, size=3, seed=1)["r"]
    assert first == draw(samples, size=3, seed=1)["r"]
    assert [s.id for s in first] == sorted(s.id for s in first)
    assert len({tuple(s.id for s in draw(samples, size=3, seed=n)["r"]) for n in range(9)}) > 1


def test_sets_are_compared_at_the_size_that_both_have() -> None:
    generated = _samples("a", "x y z x y") + _samples("b", "x y") + _samples("only", "x")
    human = _samples("a", "p q r") + _samples("b", "p q r s")
    sizes = common_sizes(generated, human)
    assert sizes == {"a": 3, "b": 2}
    assert common_sizes(generated, human, size=1) == {"a": 1, "b": 1}
    assert measure(generated, encoder=FirstLetter(), seed=1, size=sizes)["sizes"] == sizes


def test_samples_that_share_an_id_all_count() -> None:
    samples = _samples("r", "ash") + _samples("r", "bark")
    result = measure(samples, encoder=FirstLetter(), seed=1)
    assert result["sizes"] == {"r": 2}
    assert result["per_relation"]["r"]["distinct_1"] == pytest.approx(4 / 6)


def test_the_size_of_the_draw_for_self_bleu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = _samples("a", "ash bark coal dust") + _samples("b", "ash bark")
    monkeypatch.setattr(measurement, "SELF_BLEU_SENTENCES", 3)
    result = measure(samples, encoder=FirstLetter(), seed=1)
    assert result["sizes"] == {"a": 4, "b": 2}
    assert result["self_bleu_sizes"] == {"a": 3, "b": 2}
    assert measure(samples, encoder=FirstLetter(), seed=1) == result


def cosine(vectors: Tensor) -> float:
    return mean_pairwise_cosine(vectors.sum(0), len(vectors))


def vendi(vectors: Tensor) -> float:
    return vendi_score(vectors.double().T @ vectors.double(), len(vectors))


def test_mean_pairwise_cosine_by_hand() -> None:
    # pairs of (1,0), (0,1), (1,0): cosines 0, 1, 0
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert cosine(vectors) == pytest.approx(1 / 3)


def test_mean_pairwise_cosine_equals_the_mean_over_the_gram_matrix() -> None:
    vectors = F.normalize(torch.randn(7, 5, generator=torch.Generator().manual_seed(1)), dim=-1)
    gram = vectors.double() @ vectors.double().T
    expected = gram[~torch.eye(7, dtype=torch.bool)].mean()
    assert cosine(vectors) == pytest.approx(expected.item(), rel=1e-5)


def test_vendi_counts_different_vectors() -> None:
    assert vendi(torch.eye(3)) == pytest.approx(3.0)
    assert vendi(torch.tensor([[1.0, 0.0]] * 5)) == pytest.approx(1.0)
    # two of one kind and two of another, by the 2 x 2 covariance
    assert vendi(torch.eye(2).repeat(2, 1)) == pytest.approx(2.0)


def test_vendi_by_hand_for_two_vectors_at_60_degrees() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]])
    # K/2 has the eigenvalues (1 ± 0.5)/2
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert vendi(vectors) == pytest.approx(expected)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 50])
def test_vendi_equals_that_of_the_n_by_n_matrix(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    vectors = F.normalize(torch.randn(count, 8, generator=generator), dim=-1)
    gram = vectors.double() @ vectors.double().T
    expected = torch.special.entr(torch.linalg.eigvalsh(gram / count).clamp(min=0)).sum().exp()
    assert vendi(vectors) == pytest.approx(expected.item(), rel=1e-9)


def test_function_words_are_those_of_the_samples_language() -> None:
    german = [
        Sample(
            "1", "Das Feuer im Keller verursachte den Rauch.", Entity(4, 9), Entity(36, 41), "r"
        ),
        Sample(
            "2", "Der Regen im Gebirge verursachte die Flut.", Entity(4, 9), Entity(37, 41), "r"
        ),
    ]
    result = measure(german, encoder=FirstLetter(), seed=1)
    assert result["function_words"] == "de"
    # feuer keller verursachte rauch | regen gebirge verursachte flut
    assert result["per_relation"]["r"]["word_repetition"] == pytest.approx(2 / 8)
