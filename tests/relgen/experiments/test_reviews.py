"""Reviews that have no effect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample, read_samples, write_samples
from relgen.experiments.config import Experiment, Labelling
from relgen.experiments.planner import plan
from tests.relgen.experiments.fake_commands import FakeCommands, do


def test_a_review_without_effect_is_refused(
    experiment: Experiment, tmp_path: Path, commands: FakeCommands
) -> None:
    file, raw = tmp_path / "reviewed.jsonl", tmp_path / "raw.jsonl"
    one = Sample("g-1", "Ann in Bern", Entity(0, 3), Entity(7, 11), "a")
    write_samples(file, [one])
    write_samples(raw, [replace(one, id="g-2")])
    mine = replace(experiment, arms=("human", "obo_mix", "obo_mix_reviewed"), reviewed=str(file))
    with pytest.raises(InputError, match="'reviewed': no sample of this file was reviewed"):
        plan(mine, tmp_path / "run")
    write_samples(file, [replace(one, review={"reviewer": "ann", "decision": "changed"})])
    kinds = ("split", "generate", "label", "collect")
    do(commands, mine, tmp_path / "run", only=kinds)  # unknown until then
    label = r"review those in \S*label-obo-\w{10}/labelled\.jsonl"
    with pytest.raises(
        InputError, match=f"none of the 1 .* of obo_mix_reviewed, seed 1 .*; {label}"
    ):
        plan(mine, tmp_path / "run")
    arms = ("human", "unlabelled_mix_reviewed")
    read = replace(mine, arms=arms, unlabelled=str(raw), label=Labelling(model="m"))
    with pytest.raises(InputError, match="are among those of unlabelled_mix_reviewed, seed 1"):
        plan(read, tmp_path / "run")
    # people added a sentence that is in the test set as well
    added = {"reviewer": "ann", "decision": "added"}
    (tested, *_) = read_samples(mine.corpus.test)  # type: ignore[union-attr]
    write_samples(file, [replace(tested, id="written-1", review=added)])
    with pytest.raises(InputError, match=r"reviewed\.jsonl: a sentence .* \(got 'written-1'\)"):
        plan(read, tmp_path / "run")
    write_samples(file, [replace(one, review=added)])
    assert plan(read, tmp_path / "run")
    write_samples(file, [replace(one, review={"reviewer": "ann", "decision": "changed"})])
    write_samples(raw, [one])
    assert plan(read, tmp_path / "run")
