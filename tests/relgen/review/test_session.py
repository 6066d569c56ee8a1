"""Who sees what next, what is decided, and what comes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import UNLABELLED, Entity, Sample, iter_samples, write_samples
from relgen.review.decisions import ConflictError
from relgen.review.session import Session

from .people import ORDER, SAMPLES, decision, sample, session


def shown(made: Session, reviewer: str = "ann") -> str | None:
    current = made.current(reviewer)
    return current.id if current else None


def test_the_most_uncertain_come_first_and_each_only_once(tmp_path: Path) -> None:
    made = session(tmp_path)
    seen = []
    while (name := shown(made)) is not None:
        seen.append(name)
        assert shown(made) == name  # until it is decided on
        made.decide(decision(name))
    assert seen == ORDER
    assert shown(session(tmp_path)) is None


def test_two_at_once_see_different_sentences(tmp_path: Path) -> None:
    made = session(tmp_path)
    assert (shown(made, "ann"), shown(made, "bob")) == ("torn", "unsure")
    made.decide(decision("torn", "ann"))
    assert (shown(made, "ann"), shown(made, "bob")) == ("sure", "unsure")
    with pytest.raises(ConflictError, match="ann decided on it already"):
        made.decide(decision("torn", "bob"))
    for name in ("sure", "unread"):
        made.decide(decision(name, "ann"))
    # what bob has left lying is for ann as well
    assert shown(made, "ann") == "unsure"
    assert made.progress()["reviewers"] == {"ann": 3}


def test_two_who_disagree_need_a_third(tmp_path: Path) -> None:
    made = session(tmp_path, votes=2)
    made.decide(decision("torn", "ann"))
    made.decide(decision("torn", "bob", relation="lives_in", comment="he lives there"))
    made.decide(decision("sure", "ann"))
    made.decide(decision("sure", "bob"))
    progress = made.progress()
    assert (progress["done"], progress["kinds"]) == (1, {"disputed": 1, "accepted": 1})
    assert (progress["several"], progress["agreed"]) == (2, 1)
    kept = {one.id: one for one in made.results()}
    assert kept["torn"] == SAMPLES[1]  # as it was
    assert kept["sure"].review["reviewer"] == "ann, bob"
    assert shown(made, "cem") == "torn"
    made.decide(decision("torn", "cem", relation="lives_in"))
    assert made.is_open("torn", "dee") is False
    torn = next(one for one in made.results() if one.id == "torn")
    assert (torn.relation, torn.review) == (
        "lives_in",
        {
            "reviewer": "bob, cem",
            "decision": "changed",
            "seconds": 18.0,
            "comment": "he lives there",
        },
    )
    # one of two votes is better than none
    made.decide(decision("unread", "ann", accepted=False))
    assert made.progress()["done"] == 2
    assert [one.id for one in made.results() if one.rejected] == ["unread"]


def test_what_comes_of_it(tmp_path: Path) -> None:
    made = session(tmp_path)
    made.decide(decision("sure"))
    made.decide(decision("torn", relation="lives_in"))
    made.decide(decision("unsure", accepted=False, comment="no sentence"))
    write_samples(tmp_path / "reviewed.jsonl", made.results())
    sure, torn, unsure, unread = iter_samples(tmp_path / "reviewed.jsonl", rejected=True)
    accepted = {"reviewer": "ann", "decision": "accepted", "seconds": 6.0}
    assert sure == replace(SAMPLES[0], review=accepted)
    # an organisation lives nowhere: its type goes, as no other is certain to hold
    assert torn == replace(
        SAMPLES[1],
        relation="lives_in",
        head=Entity(2, 6, "PERSON"),
        review={**accepted, "decision": "changed"},
    )
    assert unread == SAMPLES[3]
    no = {**accepted, "decision": "rejected", "comment": "no sentence"}
    assert unsure == replace(SAMPLES[2], review=no)
    # what is reviewed already stays as it is
    done = [unsure, replace(unsure, id="raw", relation=UNLABELLED)]
    again = session(tmp_path / "again", samples=done)
    assert (again.order, again.results()) == ([], done)


def test_swapped_and_marked_anew(tmp_path: Path) -> None:
    made = session(tmp_path)
    one = SAMPLES[0]
    made.decide(decision("sure", head=one.tail, tail=one.head))
    made.decide(decision("torn", tail=Entity(29, 33, None), relation="none"))
    sure, torn, *_ = made.results()
    assert (sure.head_text, sure.tail_text, sure.relation) == ("Ann", "Acme", "founded_by")
    assert (torn.head_text, torn.tail_text, torn.relation) == ("Acme", "Bern", "none")


def test_undo_takes_back_ones_own_decisions_one_by_one(tmp_path: Path) -> None:
    made = session(tmp_path)
    made.decide(decision("torn", "ann"))
    made.decide(decision("unsure", "bob"))
    made.decide(decision("sure", "ann"))
    for name in ("sure", "torn"):
        assert made.undo("ann") == decision(name, "ann")
        assert shown(made) == name
    assert made.undo("ann") is None
    assert made.undo("nobody") is None
    again = session(tmp_path)
    assert [name for name in ORDER if again.decisions[name]] == ["unsure"]
    assert again.undo("bob") is not None


def test_a_second_decision_of_the_same_person_replaces_the_first(tmp_path: Path) -> None:
    made = session(tmp_path)
    made.decide(decision("torn"))
    made.decide(decision("sure"))
    made.decide(decision("torn", accepted=False))
    assert made.progress()["kinds"] == {"rejected": 1, "accepted": 1}
    made.undo("ann")
    assert (made.decisions["torn"], shown(made)) == ({}, "torn")


def test_later_is_after_all_others(tmp_path: Path) -> None:
    made = session(tmp_path)
    made.postpone("ann")
    assert shown(made) == "unsure"
    made.postpone("ann")
    for name in ("sure", "unread"):
        assert shown(made) == name
        made.decide(decision(name))
    assert shown(made) == "torn"
    made.postpone("ann")
    assert shown(made) == "unsure"
    made.decide(decision("unsure"))
    made.postpone("ann")  # the only one left
    assert shown(made) == "torn"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"relation": "born_in"}, "field 'relation': not a relation of schema 's'"),
        ({"relation": None}, "field 'relation': choose a relation"),
        ({"head": Entity(5, 5)}, "field 'head': offsets must satisfy"),
        ({"tail": Entity(30, 300)}, "field 'tail': offsets must satisfy"),
        ({"reviewer": " "}, "1 to 60 characters"),
        ({"reviewer": "a\nb\x1b"}, "not printable"),
        ({"id": "x"}, "no such sample is under review"),
    ],
)
def test_a_decision_that_cannot_be_used_is_not_written(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    made = session(tmp_path)
    with pytest.raises(InputError, match=problem):
        made.decide(replace(decision("torn"), **changes))
    assert made.log.read_text() == '{"header": "review"}\n'


def test_what_is_reviewed_or_has_no_relation(tmp_path: Path) -> None:
    done = replace(SAMPLES[0], review={"reviewer": "cem"})
    raw = sample("raw", relation=UNLABELLED)
    other = sample("other", relation=UNLABELLED)
    made = session(tmp_path, samples=[done, raw, other])
    assert made.order == ["raw", "other"]
    answer = {"accepted": True, "relation": "none", "head": raw.head, "tail": raw.tail}
    made.decide(replace(decision("sure"), id="raw", **answer))
    found = made.results()
    assert [(one.id, one.relation) for one in found] == [("sure", "founded_by"), ("raw", "none")]
    assert found[0] == done


def test_a_sentence_that_a_person_wrote(tmp_path: Path) -> None:
    made = session(tmp_path)
    head, tail = Entity(0, 2), Entity(12, 16)
    for _ in range(2):  # a request is repeated where no answer came
        made.write("ann", "Bo lives in Rome.", "lives_in", head, tail)
    mine = Sample("written-1", "Bo lives in Rome.", head, tail, "lives_in")
    mine = replace(mine, review={"reviewer": "ann", "decision": "added"})
    assert session(tmp_path).results() == [*SAMPLES, mine]
    for wrong, problem in (
        (("born_in", head, tail), "not a relation of schema"),
        (("lives_in", tail, tail), r"field 'tail': is the head as well \(got \[12, 16\]\)"),
    ):
        with pytest.raises(InputError, match=problem):
            made.write("ann", "Bo lives in Rome.", *wrong)
    assert len(made.added) == 1


@pytest.mark.parametrize("reviewer", ["ann", "bob"])
def test_what_is_a_sample_already_is_not_written_again(tmp_path: Path, reviewer: str) -> None:
    made, one = session(tmp_path), SAMPLES[0]
    made.write("ann", "Bo lives in Rome.", "lives_in", Entity(0, 2), Entity(12, 16))
    said = "field 'text': these entities of this sentence are a sample already"
    relation = "none" if reviewer == "ann" else "lives_in"
    with pytest.raises(InputError, match=rf"{said} \(got 'written-1'\)"):
        made.write(reviewer, "Bo lives in Rome.", relation, Entity(0, 2), Entity(12, 16))
    with pytest.raises(InputError, match=rf"{said} \(got 'sure'\)"):
        made.write(reviewer, one.text, "founded_by", one.head, one.tail)
    # another pair of the same sentence is new
    made.write(reviewer, one.text, "founded_by", one.tail, one.head)
    assert [sample.id for sample in made.added.values()] == ["written-1", "written-2"]


def test_a_log_goes_on_with_the_samples_that_it_is_about(tmp_path: Path) -> None:
    made = session(tmp_path)
    made.decide(decision("torn", relation="lives_in"))
    made.decide(decision("unsure", accepted=False))
    made.decide(decision("sure"))
    made.write("ann", "Bo lives in Rome.", "lives_in", Entity(0, 2), Entity(12, 16))
    new = replace(SAMPLES[0], id="new")
    other = replace(SAMPLES[2], text=f"{SAMPLES[2].text} !")
    again = session(tmp_path, samples=[new, SAMPLES[1], other])
    # one has gone, and one has another text
    assert (again.elsewhere, again.progress()["done"]) == (2, 1)
    assert [one.id for one in again.results()] == ["new", "torn", "unsure", "written-1"]
    assert again.results()[1].relation == "lives_in"
    again.decide(replace(decision("unsure"), text=other.text))
    assert [again.undo("ann").id for _ in range(3)] == ["unsure", "written-1", "torn"]
    assert again.undo("ann") is None
    # and with the first samples, without what was taken back
    first = session(tmp_path)
    assert [name for name in ORDER if first.decisions[name]] == ["unsure", "sure"]
    assert (first.elsewhere, first.added) == (0, {})
    assert first.decisions["unsure"]["ann"].accepted is False


def test_head_and_tail_are_one_only_where_they_were(tmp_path: Path) -> None:
    one = sample("same", relation="none")
    one = replace(one, tail=one.head)
    made = session(tmp_path, samples=[*SAMPLES, one])
    with pytest.raises(InputError, match="field 'tail': is the head as well"):
        made.decide(decision("torn", tail=SAMPLES[1].head))
    made.decide(replace(decision("sure"), id="same", head=one.head, tail=one.tail))
    assert made.progress()["done"] == 1


def test_progress_looks_at_what_changed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = session(tmp_path)
    made.decide(decision("torn"))
    looked: list[str] = []
    settled = made.settled
    monkeypatch.setattr(made, "settled", lambda name: looked.append(name) or settled(name))
    assert made.progress()["done"] == 1
    assert looked == []
    made.decide(decision("sure"))
    assert set(looked) == {"sure"}
    assert made.progress()["kinds"] == {"accepted": 2}


def test_the_time_that_is_left(tmp_path: Path) -> None:
    made = session(tmp_path)
    assert made.progress()["seconds_left"] == 0
    made.decide(decision("torn", seconds=5.0))
    made.decide(decision("sure", seconds=9.0))
    assert (made.progress()["seconds"], made.progress()["seconds_left"]) == (14.0, 14)


def test_a_written_sentence_is_taken_back_in_its_turn(tmp_path: Path) -> None:
    made = session(tmp_path)
    made.decide(decision("torn"))
    for relation, end in (("lives_in", "."), ("none", "?")):
        made.write("ann", f"Ben lives in Rome{end}", relation, Entity(0, 3), Entity(13, 17))
    undone = made.undo("ann")
    assert isinstance(undone, Sample)
    assert undone.relation == "none"
    assert [one.relation for one in made.added.values()] == ["lives_in"]
    # as after a kill
    again = session(tmp_path)
    (written,) = again.added.values()
    assert written.review == {"reviewer": "ann", "decision": "added"}
    assert (written.source, written.id) == ("human", "written-1")
    assert again.results()[-1] == written
    assert again.undo("ann") == written
    undone = again.undo("ann")
    assert undone is not None
    assert (undone.id, again.added) == ("torn", {})
