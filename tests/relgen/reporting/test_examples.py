"""Which sentences are shown, and how they are cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.files import read_json, write_json
from relgen.data.samples import Entity, Sample, read_samples, write_samples
from relgen.reporting.data import load_run
from relgen.reporting.examples import evenly_spaced, examples, pieces
from tests.relgen.reporting.fake_run import make_run

pytestmark = pytest.mark.compute

MICRO = {"human": 0.5, "unlabelled_mix": 0.6}


def test_evenly_spaced() -> None:
    assert evenly_spaced(list("abcdefghi"), 4) == ["a", "c", "e", "g"]
    assert evenly_spaced(["a", "b"], 4) == ["a", "b"]


def test_pieces_of_a_sentence_whose_tail_comes_first() -> None:
    sample = Sample("1", "fire: smoke!", Entity(6, 11), Entity(0, 4), "r")
    assert pieces(sample) == [
        ("fire", "tail"),
        (": ", ""),
        ("smoke", "head"),
        ("!", ""),
    ]


def test_pieces_of_overlapping_entities() -> None:
    sample = Sample("1", "New York City Hall", Entity(0, 13), Entity(4, 18), "r")
    assert pieces(sample) == [("New ", "head"), ("York City", "tail"), (" Hall", "tail")]
    nested = Sample("1", "the University of Bern.", Entity(18, 22), Entity(4, 22), "r")
    expected = [("the ", ""), ("University of ", "tail"), ("Bern", "head"), (".", "")]
    assert pieces(nested) == expected


def test_first_sentences_of_four_relations_without_the_negative_one(tmp_path: Path) -> None:
    shown = examples(load_run(make_run(tmp_path, labels=("a", "b", "c", "d", "e", "none"))))
    assert [relation for relation, _ in shown] == ["a", "b", "c", "d"]
    assert [name for name, _, _ in shown[0][1]] == ["human", "obo_dpo", "aao"]
    assert [len(sentences) for _, _, sentences in shown[0][1]] == [3, 3, 3]


def test_unlabelled_sentences_are_shown_beside_the_human_ones(tmp_path: Path) -> None:
    def names(*, show: bool) -> list[str]:
        folder = tmp_path / str(show)
        make_run(folder, arms=("human", "unlabelled_mix"), micro=MICRO, show_human=show)
        data = read_json(folder / "report_data.json")
        for arm in data["arms"]:
            if arm["arm"] == "unlabelled_mix":
                arm["unlabelled"] = arm["human"]
        write_json(folder / "report_data.json", data)
        shown = examples(load_run(folder))
        return [name for name, _, _ in shown[0][1]] if shown else []

    assert names(show=True) == ["human", "unlabelled"]
    assert names(show=False) == []


def test_licensed_sentences_stay_out(tmp_path: Path) -> None:
    shown = examples(load_run(make_run(tmp_path, show_human=False)))
    assert [name for name, _, _ in shown[0][1]] == ["obo_dpo", "aao"]


def test_sentences_that_quote_licensed_ones_stay_out(tmp_path: Path) -> None:
    folder = make_run(tmp_path, arms=("human", "aao_mix"), seeds=(1,), labels=("a", "none"))
    written = folder / "stages/seed1/aao/generated.jsonl"
    own = read_samples(written)
    human = read_samples(folder / "stages/seed1/human/train.jsonl")
    near = human[0].text.replace("After the storm,", "After one flood,")
    quoting = Sample("q", near, Entity(10, 15), Entity(0, 5), "a")
    write_samples(written, [quoting, human[2].with_relation("a"), *own])

    def sentences() -> list[str]:
        ((_, sources),) = examples(load_run(folder, human_sentences=False))
        return ["".join(text for text, _ in one) for one in sources[0][2]]

    assert sentences() == [sample.text for sample in own[:3]]
    ((_, everything),) = examples(load_run(folder))
    assert everything[1][2][0] == pieces(quoting)


def test_a_run_without_generated_samples_has_no_examples(tmp_path: Path) -> None:
    assert examples(load_run(make_run(tmp_path, arms=("human",)))) == []


def test_relabelled_sentences_stand_under_the_relation_that_is_trained_on(tmp_path: Path) -> None:
    folder = make_run(
        tmp_path, arms=("human", "aao_mix"), seeds=(1,), labels=("a", "b", "none"), show_human=False
    )
    data = read_json(folder / "report_data.json")
    for arm in data["arms"]:
        if "generated" in arm:
            written = read_samples(folder / arm["generated"][0])
            relabelled = [sample.with_relation("b") for sample in written]
            arm["labelled"] = f"labelled-{arm['seed']}.jsonl"
            write_samples(folder / arm["labelled"], relabelled)
    write_json(folder / "report_data.json", data)
    ((relation, sources),) = examples(load_run(folder))
    assert relation == "b"
    assert sources[0][2] == [pieces(sample) for sample in written[:3]]
