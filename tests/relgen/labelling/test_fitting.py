"""Fitting the probe to labelled samples, and its score on them."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor

from relgen.common.errors import InputError
from relgen.data.samples import Sample, write_samples
from relgen.data.schema import Relation, RelationSchema
from relgen.labelling.fitting import fit, read_labelled
from tests.relgen.labelling.words import LABELS, Words, sample

pytestmark = pytest.mark.compute

SCHEMA = RelationSchema("s", tuple(Relation(name, name) for name in LABELS), "none")


def fitted(samples: list[Sample]) -> float | None:
    return fit(Words().read(samples), samples, SCHEMA, 1.0)[1]


def test_the_score_is_of_samples_left_out() -> None:
    twelve = [sample(i, LABELS[i % 3], f"x{LABELS[i % 3]}") for i in range(12)]
    assert fitted(twelve) == 1.0
    # a wrong label is an error when it is left out: 7 of 8 right, 7 of 7 predicted
    wrong = [sample(99, "place", "xnone"), *(one for one in twelve if one.id != "human-1")]
    assert fitted(wrong) == pytest.approx(2 * 1 * (7 / 8) / (1 + 7 / 8))
    assert fitted(twelve[:3]) is None  # none can be left out


def parts(samples: list[Sample], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the part of the cross-validation that each sample is in."""

    def given(*_: Tensor, folds: list[int], **__: object) -> Tensor:
        seen.extend(folds)
        return torch.full((len(folds), 3), float("nan"))

    seen: list[int] = []
    monkeypatch.setattr("relgen.labelling.fitting.cross_validated", given)
    fitted(samples)
    return seen


def test_pairs_of_one_sentence_are_left_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [sample(i // 2, LABELS[i % 2], "xcause") for i in range(8)]
    assert parts(pairs, monkeypatch) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_each_relation_is_left_out_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    # of two shots, one in four parts would be trained on half as much as those of other relations
    for shots in (2, 3, 4, 8):
        samples = [sample(i, LABELS[i // shots], "xcause") for i in range(3 * shots)]
        found = Counter(
            zip([s.relation for s in samples], parts(samples, monkeypatch), strict=True)
        )
        assert sorted(found.values()) == [max(1, shots // 4)] * (3 * min(shots, 4))


def test_one_relation_is_too_few(tmp_path: Path) -> None:
    write_samples(tmp_path / "t.jsonl", [sample(i, "place", "xplace") for i in range(3)])
    with pytest.raises(InputError, match=r"at least two relations .*got 'place'"):
        read_labelled(tmp_path / "t.jsonl", SCHEMA)
