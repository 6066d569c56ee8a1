"""What is said of pairs with several labels."""

from relgen.data.pair_labels import PairLabels
from relgen.data.samples import UNLABELLED, Entity, Sample


def _sample(number: int, label: str, end: int = 11) -> Sample:
    name = f"{number}-{label.strip(UNLABELLED[0])}"
    return Sample(name, f"Ann met Bob {number}.", Entity(0, 3), Entity(8, end), label)


def test_contradictions_come_first():
    samples = [_sample(number, label) for number in range(3) for label in ("a", "b")]
    samples += [_sample(7, "none"), _sample(7, "a"), _sample(7, "a")]
    assert PairLabels(samples, "none").warnings() == [
        "4 pairs have several labels: a and none (1), a and b (3); the first: 0-b"
    ]
    assert PairLabels(samples).warnings() == [
        "4 pairs have several labels: a and b (3), a and none (1); the first: 0-b"
    ]


def test_other_pairs_and_samples_without_a_label_contradict_nothing():
    samples = [_sample(1, "a"), _sample(1, "b", 13), _sample(1, UNLABELLED), _sample(2, "b")]
    assert PairLabels(samples).warnings() == []
    assert PairLabels([*samples, _sample(1, "c")]).warnings() == [
        "1 pair has several labels: a and c (1); the first: 1-c"
    ]


def test_many_combinations_are_counted():
    samples = [_sample(number, label) for number in range(5) for label in ("a", f"b{number}")]
    (said,) = PairLabels(samples).warnings()
    assert said.endswith("a and b1 (1), a and b2 (1), 2 other combinations; the first: 0-b0")
