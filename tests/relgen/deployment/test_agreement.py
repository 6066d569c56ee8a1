"""What is said about an export's labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.common.files import content_hash, write_json
from relgen.data.samples import Prediction, write_samples
from relgen.deployment.agreement import (
    Agreement,
    comparison_samples,
    measure_agreement,
    require_same,
)
from tests.tiny.encoders import samples

pytestmark = pytest.mark.compute


def prediction(relation: str, *probabilities: float) -> Prediction:
    scores = dict(zip("ab", probabilities, strict=True))
    return Prediction("0", relation, max(probabilities), scores)


def test_labels_and_probabilities_are_compared() -> None:
    expected = [prediction("a", 0.75, 0.25), prediction("b", 0.25, 0.75), prediction("a", 1, 0)]
    changed = [{"a": 0.25, "b": 0.75}, {"a": 0.125, "b": 0.875}, {"a": 1.0, "b": 0.0}]
    found = measure_agreement(expected, changed)
    assert found == Agreement(3, 3, 1, 0, pytest.approx(0.625 / 3), 0.5)
    assert str(found) == (
        "labels other than the classifier's on 1 of 3 sentences (33.3%), and on 0 of 0 whose two "
        "best probabilities differ by less than 0.1; probabilities differ by 0.21 on average, by "
        "at most 0.5"
    )
    assert str(Agreement(8, 7, 0, 0, 1e-7, 1e-6)) == (
        "the same labels as the classifier on 8 sentences; probabilities differ by 1e-07 on "
        "average, by at most 1e-06"
    )


def test_near_ties_are_counted_apart() -> None:
    expected = [prediction("a", 0.54, 0.46), prediction("a", 0.56, 0.44)]
    found = measure_agreement(expected, [{"a": 0.49, "b": 0.51}, {"a": 0.49, "b": 0.51}])
    assert (found.clear, found.differing, found.ties_differing) == (1, 1, 1)


@pytest.mark.parametrize(
    ("clear", "differing", "mean", "allowed", "refused"),
    [
        (100, 2, 0.01, 0.02, False),
        (100, 3, 0.01, 0.02, True),
        (20, 1, 0.01, 0.02, False),
        (20, 2, 0.01, 0.02, True),
        (20, 1, 0.01, 0.0, True),
        (0, 0, 0.01, 0.0, False),
        (100, 0, 0.06, 0.02, True),
    ],
)
def test_what_is_refused(
    clear: int, differing: int, mean: float, allowed: float, refused: bool
) -> None:
    found = Agreement(100, clear, differing, 0, mean, 0.5)
    if not refused:
        require_same(found, "int8", differing=allowed, mean=0.05, remedy="x")
        return
    with pytest.raises(InputError, match=rf"at most {allowed:.1%} of .* 0.05 on .*; do x"):
        require_same(found, "int8", differing=allowed, mean=0.05, remedy="do x")


def test_the_classifiers_own_samples_are_the_default(tmp_path: Path) -> None:
    file, few = tmp_path / "train.jsonl", samples(3)
    write_samples(file, few)
    entry = {"file": str(file), "sha256": content_hash(file)}
    write_json(tmp_path / "config.json", {"data": {"files": {"human": entry}}})
    found = comparison_samples(None, tmp_path)
    assert found[:3] == few
    assert [(one.head, one.tail) for one in found[3:]] == [(one.tail, one.head) for one in few]
    write_samples(file, samples(700))
    assert len(comparison_samples(file, tmp_path)) == 700
    with pytest.raises(InputError, match=r"not here \(.*train.jsonl\); give --samples FILE"):
        comparison_samples(None, tmp_path)
    entry["sha256"] = content_hash(file)
    write_json(tmp_path / "config.json", {"data": {"files": {"human": entry}}})
    assert len(comparison_samples(None, tmp_path)) == 700  # every other one, twice
    write_json(tmp_path / "config.json", {"data": None})
    with pytest.raises(InputError, match="its folder names none"):
        comparison_samples(None, tmp_path)
