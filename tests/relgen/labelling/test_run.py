"""Labelling whole files, with a reader that knows the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from filelock import FileLock

from relgen.common.errors import InputError
from relgen.common.files import write_jsonl
from relgen.common.shards import ShardOptions
from relgen.data.samples import Sample, read_samples, write_samples
from relgen.labelling import labeller
from relgen.labelling.run import LabelSettings, label
from tests.relgen.labelling.words import LABELS, Words, sample, write_files

pytestmark = pytest.mark.compute


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return write_files(tmp_path)


def label_with(reader: Words, settings: LabelSettings, **files: Any) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labeller, "StateReader", lambda *_: reader)
        return label(settings, **files)


def do(
    files: dict[str, Path], out: Path, reader: Words, *, force: bool = False, **settings: float
) -> dict:
    return label_with(
        reader,
        LabelSettings(**settings),
        generated=[files["a"], files["b"]],
        train=files["train"],
        schema=files["s"],
        out=out,
        options=ShardOptions(force=force),
    )


def test_samples_are_called_what_they_are_and_remember_what_they_were_meant_to_be(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out" / "labelled.jsonl"
    summary = do(files, out, Words())
    labelled = read_samples(out)
    assert [one.relation for one in labelled] == [LABELS[i % 3] for i in range(300)]
    assert {one.provenance["intended"] for one in labelled} == {"cause"}
    assert all(sum(one.scores.values()) == pytest.approx(1, abs=1e-5) for one in labelled)
    assert all(max(one.scores, key=one.scores.get) == one.relation for one in labelled)
    assert (summary["samples"], summary["agreed"], summary["train_micro_f1"]) == (300, 100, 1.0)
    assert summary["given_micro_f1"] == pytest.approx(0.4)  # precision 100/200, recall 100/300
    assert summary["relations"]["place"] == {"intended": 0, "labelled": 100, "agreed": 0}
    assert sorted(path.name for path in out.parent.iterdir()) == ["labelled.json", out.name]


def test_labelled_again_it_remembers_what_it_was_written_for(
    files: dict[str, Path], tmp_path: Path
) -> None:
    do(files, tmp_path / "once.jsonl", Words())
    label_with(
        Words(),
        LabelSettings(),
        generated=[tmp_path / "once.jsonl"],
        train=files["train"],
        schema=files["s"],
        out=tmp_path / "twice.jsonl",
    )
    again = read_samples(tmp_path / "twice.jsonl")
    assert {one.provenance["intended"] for one in again} == {"cause"}


def test_a_label_of_a_person_is_kept(files: dict[str, Path], tmp_path: Path) -> None:
    first, *others = read_samples(files["a"])
    mine = replace(first, relation="none", review={"reviewer": "ann"})
    write_samples(files["a"], [mine, *others])
    out = tmp_path / "out.jsonl"
    summary = do(files, out, Words(), least_certainty=0.5)
    *_, last = read_samples(out)
    assert last == mine  # at the end, and without scores
    assert (summary["samples"], summary["agreed"]) == (300, 99)
    no = replace(mine, review={"reviewer": "ann", "decision": "rejected"})
    write_samples(files["a"], [no, *others])
    assert do(files, out, Words(), least_certainty=0.5, force=True)["samples"] == 299
    for path in (files["a"], files["b"]):
        write_samples(
            path, [replace(one, review={"reviewer": "ann"}) for one in read_samples(path)]
        )
    with pytest.raises(InputError, match=r"a\.jsonl: a person has labelled all samples"):
        do(files, out, Words(), force=True)


def test_interrupted_it_goes_on(files: dict[str, Path], tmp_path: Path) -> None:
    do(files, tmp_path / "whole.jsonl", Words())
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        do(files, out, Words(stop_after=12 + 128))
    assert not out.exists()
    # a kill in the middle of a write leaves half a line
    partial = tmp_path / ".out.jsonl.read.partial"
    partial.write_bytes(partial.read_bytes() + b"[[0.1, 0.")
    reader = Words()
    do(files, out, reader)
    assert reader.read_samples == 12 + 300 - 128
    assert out.read_text() == (tmp_path / "whole.jsonl").read_text()


def test_finished_it_reads_nothing_until_something_changes(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    first = do(files, out, Words())
    idle = Words()
    assert do(files, out, idle) == first
    assert idle.read_samples == 0
    with pytest.raises(InputError, match=r"other settings or inputs is here.*--force to replace"):
        do(files, out, idle, penalty=0.1)
    assert do(files, out, idle, penalty=0.1, force=True)["penalty"] == 0.1
    assert idle.read_samples == 312


def test_other_settings_do_not_go_on_from_what_was_begun(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        do(files, out, Words(stop_after=140))
    reader = Words()
    do(files, out, reader, penalty=0.1)
    assert reader.read_samples == 312


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f["b"].write_text(f["a"].read_text()),
            r"the id also occurs in .*a\.jsonl .*give each sample another id",
        ),
        (lambda f: f["train"].write_text(f["a"].read_text()), "at least two relations"),
        (lambda f: f["a"].unlink(), "no such file"),
        (lambda f: [f[x].write_text("") for x in "ab"], "no draft was accepted"),
        (lambda f: f["a"].write_text('{"id": "1"}\n'), r"a\.jsonl:1: field 'text'"),
    ],
)
def test_bad_input(files: dict[str, Path], tmp_path: Path, change, message: str) -> None:
    change(files)
    with pytest.raises(InputError, match=message):
        do(files, tmp_path / "out.jsonl", Words())
    assert not (tmp_path / "out.jsonl").exists()


def test_an_empty_half_adds_nothing(files: dict[str, Path], tmp_path: Path) -> None:
    files["b"].write_text("")
    assert do(files, tmp_path / "out.jsonl", Words())["samples"] == 150


class Doubts(Words):
    """Reads places half as clearly as the rest."""

    def read(self, samples: Sequence[Sample]) -> torch.Tensor:
        states = super().read(samples)
        clear = [1.0 if "xplace" not in one.text or "human" in one.id else 0.4 for one in samples]
        return states * torch.tensor(clear)[:, None, None, None]


def test_uncertain_samples_go_to_a_file_of_their_own(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    whole = do(files, tmp_path / "whole.jsonl", Doubts())
    assert (whole["samples"], whole["uncertain"]) == (300, 0)
    assert not (tmp_path / "whole.uncertain.jsonl").exists()
    scores = [one.scores[one.relation] for one in read_samples(tmp_path / "whole.jsonl")]
    least = (min(scores) + max(scores)) / 2
    summary = do(files, out, Doubts(), least_certainty=least)
    kept, left = read_samples(out), read_samples(tmp_path / "out.uncertain.jsonl")
    assert (summary["samples"], summary["uncertain"]) == (len(kept), len(left)) == (200, 100)
    assert {one.relation for one in kept} == {"cause", "none"}
    assert all(one.scores[one.relation] < least for one in left)
    assert summary["relations"]["place"] == {"intended": 0, "labelled": 0, "agreed": 0}
    # with all kept again, the second file would be out of date
    do(files, out, Doubts(), force=True)
    assert not (tmp_path / "out.uncertain.jsonl").exists()


def test_stopped_before_its_summary_it_goes_on(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as changes:
        changes.setattr("relgen.labelling.run.write_summary", stopped)
        with pytest.raises(KeyboardInterrupt):
            do(files, out, Doubts(), least_certainty=0.7)
    assert (tmp_path / "out.uncertain.jsonl").is_file()
    assert do(files, out, Doubts(), least_certainty=0.7)["uncertain"] > 0


def test_too_much_certainty_keeps_nothing_and_loses_nothing(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(InputError, match=r"no sample is certain enough .*the most certain sample"):
        do(files, out, Words(), least_certainty=0.9999)
    again = Words()
    assert do(files, out, again, least_certainty=0.1)["samples"] == 300
    assert again.read_samples == 12  # what was read of the others is not read again
    with pytest.raises(InputError, match="at least 0 and below 1"):
        do(files, out, Words(), least_certainty=1.0)


def raw(number: int, word: str, text: str | None = None) -> dict[str, Any]:
    """Return a line without a relation."""
    row = sample(number, "?", word, "raw").to_json()
    del row["relation"]
    return row | ({"text": text} if text else {})


def test_sentences_without_a_relation_are_read_and_the_others_are_said(
    files: dict[str, Path], tmp_path: Path
) -> None:
    verb = LABELS[1]
    test = sample(7, "place", f"x{verb}", "test")
    write_samples(tmp_path / "test.jsonl", [test])
    rows = [raw(number, f"x{verb}") for number in range(20, 30)]
    rows[0]["relation"] = None
    rows += [raw(7, f"x{verb}"), raw(0, "xcause"), {**raw(20, f"x{verb}"), "id": "again"}]
    rows += [raw(50, f"x{verb}", text=f"Ann x{verb} Bern, they say, this is too long.")]
    write_jsonl(tmp_path / "raw.jsonl", rows)
    summary = label_with(
        Words(),
        LabelSettings(most=4),
        generated=[tmp_path / "raw.jsonl"],
        train=files["train"],
        schema=files["s"],
        out=tmp_path / "out.jsonl",
        exclude=tmp_path / "test.jsonl",
    )
    labelled = read_samples(tmp_path / "out.jsonl")
    assert {(one.relation, one.source, one.provenance) for one in labelled} == {
        ("place", "raw", None)
    }
    assert all(one.scores["place"] > 0.5 for one in labelled)
    assert summary["samples"] == len(labelled) == 4
    reasons = {"test_sentence": 1, "labelled": 1, "repeated": 1, "too_long": 1, "not_chosen": 6}
    assert summary["left_out"] == reasons
    assert (summary["agreed"], summary["given_micro_f1"]) == (0, None)
    assert summary["relations"]["place"]["labelled"] == 4


def test_relations_can_be_ignored_and_need_not_be_known(
    files: dict[str, Path], tmp_path: Path
) -> None:
    write_samples(tmp_path / "other.jsonl", [sample(77, "born_in", "xplace", "raw")])
    ask = {"train": files["train"], "schema": files["s"], "generated": [tmp_path / "other.jsonl"]}
    with pytest.raises(InputError, match="born_in"):
        label_with(Words(), LabelSettings(), out=tmp_path / "out.jsonl", **ask)
    ignore = LabelSettings(ignore_relations=True)
    summary = label_with(Words(), ignore, out=tmp_path / "out.jsonl", **ask)
    assert (summary["samples"], summary["given_micro_f1"]) == (1, None)
    (tmp_path / "other.jsonl").write_text("")
    with pytest.raises(InputError, match="no records are in this file"):
        label_with(Words(), ignore, out=tmp_path / "out2.jsonl", **ask)


def test_nothing_left_says_why(files: dict[str, Path], tmp_path: Path) -> None:
    ask = {"train": files["train"], "schema": files["s"], "generated": [files["train"]]}
    with pytest.raises(InputError, match=r"all samples are left out \(12 labelled already\)"):
        label_with(Words(), LabelSettings(ignore_relations=True), out=tmp_path / "out.jsonl", **ask)


def test_a_choice_that_was_interrupted_goes_on_the_same(
    files: dict[str, Path], tmp_path: Path
) -> None:
    chosen = {"most": 20, "pool": 200}
    whole = do(files, tmp_path / "whole.jsonl", Doubts(), **chosen)
    assert (whole["samples"], whole["left_out"]) == (20, {"not_drawn": 100, "not_chosen": 180})
    out, reader = tmp_path / "out.jsonl", Doubts()
    with pytest.raises(KeyboardInterrupt):
        do(files, out, Doubts(stop_after=12 + 128), **chosen)
    assert do(files, out, reader, **chosen)["samples"] == 20
    assert reader.read_samples == 12 + 200 - 128
    assert out.read_text() == (tmp_path / "whole.jsonl").read_text()


def test_the_choice_is_made_among_the_certain_ones(files: dict[str, Path], tmp_path: Path) -> None:
    whole = do(files, tmp_path / "whole.jsonl", Doubts())
    scores = [one.scores[one.relation] for one in read_samples(tmp_path / "whole.jsonl")]
    least = (min(scores) + max(scores)) / 2
    out = tmp_path / "out.jsonl"
    summary = do(files, out, Doubts(), most=20, least_certainty=least)
    assert (whole["samples"], summary["samples"], summary["uncertain"]) == (300, 20, 100)
    assert summary["left_out"] == {"not_chosen": 180}
    assert {one.relation for one in read_samples(out)} <= {"cause", "none"}


def test_results_of_other_commands_are_not_replaced(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text('{"command": "predict", "hash": "x"}')
    with pytest.raises(InputError, match="`relgen label` has not written it"):
        do(files, tmp_path / "out.jsonl", Words())


def test_one_labelling_at_a_time_writes_to_a_file(tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".out.json.lock"),
        pytest.raises(InputError, match="another relgen command is writing to this file"),
    ):
        label(LabelSettings(), generated=[], train="", schema="everyday", out=tmp_path / "out")


def shards(folder: Path) -> Path:
    """Write three shards: lines without a relation, Parquet with one, and nothing."""
    folder.mkdir()
    rows = [raw(number, f"x{LABELS[number % 3]}") for number in range(20, 50)]
    write_jsonl(folder / "a.jsonl", rows)
    meant = [
        sample(number, "cause", f"x{LABELS[number % 3]}", "generated") for number in range(50, 80)
    ]
    Dataset.from_list([one.to_json() for one in meant]).to_parquet(folder / "b.parquet")
    (folder / "c.jsonl").write_text("")
    return folder


def test_a_corpus_in_shards_gets_the_same_labels(files: dict[str, Path], tmp_path: Path) -> None:
    given, out = shards(tmp_path / "in"), tmp_path / "out"
    ask = {"train": files["train"], "schema": files["s"]}
    reader = Doubts()
    one = {"generated": [given / "a.jsonl", given / "b.parquet"], "out": tmp_path / "one.jsonl"}
    whole = label_with(reader, LabelSettings(), **one, **ask)
    scores = [row.scores[row.relation] for row in read_samples(tmp_path / "one.jsonl")]
    sure = LabelSettings(least_certainty=(min(scores) + max(scores)) / 2)

    summary = label_with(reader, LabelSettings(), generated=[given], out=out, **ask)
    assert summary["shards"] == 3
    assert {key: summary[key] for key in summary if key not in ("hash", "shards")} == {
        key: whole[key] for key in whole if key not in ("hash", "files")
    }
    found = [s for name in ("a.jsonl", "b.parquet") for s in read_samples(out / name)]
    expected = read_samples(tmp_path / "one.jsonl")
    assert [s.to_json() for s in found[:30]] == [s.to_json() for s in expected[:30]]
    assert [(s.id, s.relation, s.scores) for s in found] == [
        (s.id, s.relation, s.scores) for s in expected
    ]
    assert found[30].provenance["intended"] == "cause"
    assert (out / "c.jsonl").read_text() == ""
    read = reader.read_samples
    assert label_with(reader, LabelSettings(), generated=[given], out=out, **ask) == summary
    assert reader.read_samples == read + 12  # the labelled samples alone

    again = {**ask, "generated": [given], "out": out}
    with pytest.raises(InputError, match="--force to replace"):
        label_with(reader, sure, **again)
    summary = label_with(reader, sure, options=ShardOptions(force=True), **again)
    assert (summary["samples"], summary["uncertain"]) == (40, 20)
    assert len(read_samples(out / "_uncertain" / "b.parquet")) == 10
    assert {path.name for path in out.iterdir()} == {
        *("a.jsonl", "b.parquet", "c.jsonl", "_shards", "_uncertain", "_summary.json")
    }


@pytest.mark.parametrize("name", ["most", "pool"])
def test_no_choice_is_made_across_shards(files: dict[str, Path], tmp_path: Path, name: str) -> None:
    ask = {"train": files["train"], "schema": files["s"], "out": tmp_path / "out"}
    with pytest.raises(InputError, match=f"'--{name}': shards are labelled whole"):
        label(LabelSettings(**{name: 3}), generated=[shards(tmp_path / "in")], **ask)
    with pytest.raises(InputError, match="a cluster reads a corpus in shards"):
        label(LabelSettings(), generated=[files["a"]], options=ShardOptions(engine="ray"), **ask)
