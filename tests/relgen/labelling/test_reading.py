"""Reading samples of files, and what is kept of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import write_samples
from relgen.data.schema import load_schema
from relgen.labelling import reading
from relgen.labelling.reading import Inputs, chosen, read_files
from relgen.labelling.settings import LabelSettings
from tests.relgen.labelling.words import Words, sample, write_files


@pytest.mark.parametrize(("near_copies", "left_out"), [(True, {}), (False, {"near_copy": 4})])
def test_near_copies_of_labelled_sentences_are_read_if_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, near_copies: bool, left_out: dict[str, int]
) -> None:
    monkeypatch.setattr(reading, "StateReader", lambda *_: Words())
    files = write_files(tmp_path)
    # but for a name they are those of train.jsonl
    raw = [sample(i, "?", "xplace", "raw") for i in (1, 4, 7, 10)]
    raw = [replace(one, text=one.text.replace("Ann", "Bob")) for one in raw]
    far = sample(9, "?", "xnone", "far")
    other = far.text.replace("they say", "so I was told by a friend")
    write_samples(tmp_path / "raw.jsonl", [*raw, replace(far, text=other)])
    inputs = Inputs([tmp_path / "raw.jsonl"], files["train"], near_copies=near_copies)
    settings = LabelSettings(ignore_relations=True)
    found = read_files(settings, inputs, load_schema(files["s"]), tmp_path / "log", "x")
    assert len(found.samples) == len(found.rows) == (5 if near_copies else 1)
    assert found.samples[-1].id == "far-9"
    assert {why: n for why, n in found.left_out.items() if n} == left_out
    assert found.train_micro_f1 == 1.0


def test_certain_rows_are_kept_or_the_most_useful_of_them() -> None:
    rows = [([p, 1 - p], [1.0, 0.0]) for p in (0.9, 0.55, 0.8, 0.55)]
    left_out: Counter[str] = Counter()
    assert chosen(rows, LabelSettings(), left_out) == ([0, 1, 2, 3], [])
    assert chosen(rows, LabelSettings(least_certainty=0.7), left_out) == ([0, 2], [1, 3])
    assert left_out == {}
    assert chosen(rows, LabelSettings(least_certainty=0.7, most=1), left_out) == ([2], [1, 3])
    assert left_out == {"not_chosen": 1}
    with pytest.raises(InputError, match=r"the most certain sample has 0\.90"):
        chosen(rows, LabelSettings(least_certainty=0.95), left_out)
