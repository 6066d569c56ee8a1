"""Chains and pairs from labelled samples."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from relgen.common.errors import CombinedInputError, InputError
from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation, RelationSchema
from relgen.data.text import normalised
from relgen.dpo.preference_pairs import build_chains, read_chains, write_chains

SCHEMA = RelationSchema(
    "s",
    (
        Relation("cause", "a"),
        Relation("caused", "b", undirected="cause"),
        Relation("part", "c"),
        Relation("other", "d"),
    ),
    negative="other",
)
WORDS = {
    "cause": ("The storm brought about the flood near", "village"),
    "caused": ("The fever followed from infection inside", "body"),
    "part": ("The engine belongs within a vehicle made by", "factory"),
    "other": ("The singer walked quickly towards his", "house"),
}


def samples(number: int = 7) -> list[Sample]:
    made = []
    for relation, (text, tail) in WORDS.items():
        for index in range(number):
            name = f"{chr(97 + index)}lpha{relation}"
            sentence = f"{text} {name} {tail}."
            end = len(sentence) - 1
            head = Entity(4, 4 + len(text.split()[1]), "THING")
            made.append(
                Sample(
                    f"{relation}-{index}",
                    sentence,
                    head,
                    Entity(end - len(tail), end, "PLACE"),
                    relation,
                )
            )
    return made


def test_a_chain_visits_each_sample_once():
    chains = build_chains(samples(), SCHEMA, seed=1)
    assert [chain.id for chain in chains] == ["cause#0", "caused#0", "part#0", "other#0"]
    for chain in chains:
        visited = [chain.demonstration.id, *(pair.chosen.id for pair in chain.pairs)]
        assert sorted(visited) == [f"{chain.relation}-{index}" for index in range(7)]
        assert {pair.rejected.relation for pair in chain.pairs} == {chain.relation}


def test_the_chosen_sample_is_the_next_demonstration():
    (chain, *_) = build_chains(samples(), SCHEMA, seed=1)
    assert chain.demonstrations(0) == (chain.demonstration,)
    for step in range(1, 6):
        shown = chain.demonstrations(step)
        assert len(shown) == step + 1
        assert shown[-1] == chain.pairs[step - 1].chosen
        assert chain.pairs[step].chosen not in shown


def test_kinds_follow_the_shares():
    def count(shares) -> dict[str, int]:
        pairs = build_chains(samples(), SCHEMA, seed=1, shares=shares)[0].pairs
        kinds = [pair.kind for pair in pairs]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(sorted(kinds))}

    assert count({"wrong_label": 1, "near_copy": 1, "exact_copy": 1}) == {
        "exact_copy": 2,
        "near_copy": 2,
        "wrong_label": 2,
    }
    assert count({"wrong_label": 2, "near_copy": 1, "exact_copy": 0}) == {
        "near_copy": 2,
        "wrong_label": 4,
    }
    assert count({"exact_copy": 1}) == {"exact_copy": 6}


def test_each_kind_is_what_it_says():
    everything = samples()
    texts = {sample.text: sample.relation for sample in everything}
    for chain in build_chains(everything, SCHEMA, seed=3, chains_per_relation=2):
        for step, pair in enumerate(chain.pairs):
            shown = chain.demonstrations(step)
            assert normalised(pair.rejected.text) != normalised(pair.chosen.text)
            if pair.kind == "wrong_label":
                assert texts[pair.rejected.text] != chain.relation
            elif pair.kind == "exact_copy":
                assert pair.rejected in shown
            else:
                assert pair.rejected.text not in texts
                source = next(s for s in shown if f"{s.id}~near_copy" == pair.rejected.id)
                assert pair.rejected.head_text != source.head_text


def test_same_seed_same_chains():
    assert build_chains(samples(), SCHEMA, seed=1) == build_chains(samples(), SCHEMA, seed=1)
    assert build_chains(samples(), SCHEMA, seed=1) != build_chains(samples(), SCHEMA, seed=2)


def test_a_half_sees_no_sample_of_the_other():
    halves = SCHEMA.halves(1)
    for half in ("a", "b"):
        chains = build_chains(samples(), SCHEMA, seed=1, half=half)
        assert {chain.relation for chain in chains} == set(halves[half])
        assert {chain.half for chain in chains} == {half}
        own = {s.text for s in samples() if s.relation in halves[half]}
        for chain in chains:
            for pair in chain.pairs:
                if pair.kind != "near_copy":
                    assert pair.rejected.text in own


def test_one_sample_gives_no_chain_and_two_give_one_pair():
    with pytest.raises(InputError, match="no relation has two samples"):
        build_chains(samples(1), SCHEMA, seed=1)
    assert [len(chain.pairs) for chain in build_chains(samples(2), SCHEMA, seed=1)] == [1, 1, 1, 1]


def test_a_relation_without_samples_gives_no_chain():
    some = [sample for sample in samples() if sample.relation in ("cause", "part")]
    chains = build_chains(some, SCHEMA, seed=1)
    assert [chain.relation for chain in chains] == ["cause", "part"]


def test_bad_shares_and_labels_are_refused():
    with pytest.raises(InputError, match="field 'chains_per_relation': must be a whole number"):
        build_chains(samples(), SCHEMA, seed=1, chains_per_relation=-1)
    with pytest.raises(InputError, match="a number of at least 0"):
        build_chains(samples(), SCHEMA, seed=1, shares={"near_copy": -1})
    with pytest.raises(InputError, match="at least one share"):
        build_chains(samples(), SCHEMA, seed=1, shares={"near_copy": 0})
    with pytest.raises(InputError, match="unknown key"):
        build_chains(samples(), SCHEMA, seed=1, shares={"typo": 1})
    stranger = samples()[0].with_relation("stranger")
    with pytest.raises(InputError, match="not a relation of schema 's'"):
        build_chains([stranger], SCHEMA, seed=1)


def test_samples_that_are_all_the_same_are_refused():
    one = samples()[0]
    copies = [Sample(f"c{i}", one.text, one.head, one.tail, "cause") for i in range(3)]
    with pytest.raises(InputError, match="all samples of this relation are the same"):
        build_chains(copies, SCHEMA, seed=1, shares={"exact_copy": 1})


def test_wrong_labels_of_a_single_relation_are_refused_for_what_they_are():
    alone = [sample for sample in samples() if sample.relation == samples()[0].relation]
    with pytest.raises(InputError, match="needs samples of another relation"):
        build_chains(alone, SCHEMA, seed=1, shares={"wrong_label": 1})


def test_a_wrong_label_is_never_one_of_the_sentence():
    """Where sentences have several relations, one under another label may belong to the target."""
    both = [s.with_relation("caused") for s in samples() if s.relation == "cause"]
    pool = [replace(s, id=f"both-{s.id}") for s in both] + samples()
    options = {"shares": {"wrong_label": 1}, "chains_per_relation": 10}
    for chain in build_chains(pool, SCHEMA, seed=1, **options):
        own = {s.text for s in pool if s.relation == chain.relation}
        assert not own & {pair.rejected.text for pair in chain.pairs}
    alone = [s for s in pool if s.relation in ("cause", "caused") and "storm" in s.text]
    with pytest.raises(InputError, match="another relation that do not have this one as well"):
        build_chains(alone, SCHEMA, seed=1, **options)


def test_chains_of_a_seed_stay_what_they_are():
    pairs = build_chains(samples(), SCHEMA, seed=1)[0].pairs
    assert [(pair.kind, pair.rejected.text) for pair in pairs] == [
        ("exact_copy", "The storm brought about the flood near glphacause village."),
        ("wrong_label", "The engine belongs within a vehicle made by glphapart factory."),
        ("wrong_label", "The singer walked quickly towards his alphaother house."),
        ("near_copy", "The fever brought about the factory near glphacause body."),
        ("near_copy", "The fever body about the flood near dlphacause house."),
        ("exact_copy", "The storm brought about the flood near glphacause village."),
    ]


def test_file_round_trip(tmp_path):
    chains = build_chains(samples(), SCHEMA, seed=1, half="a")
    assert write_chains(tmp_path / "c.jsonl", chains) == len(chains)
    assert read_chains(tmp_path / "c.jsonl") == chains


def test_every_malformed_line_is_named(tmp_path):
    path = tmp_path / "c.jsonl"
    good = json.dumps(build_chains(samples(), SCHEMA, seed=1)[0].to_json())
    broken = json.loads(good)
    broken["pairs"][0]["kind"] = "typo"
    no_pairs = {**json.loads(good), "pairs": []}
    types = [{**json.loads(good), key: value} for key, value in (("id", 3), ("half", "q"))]
    path.write_text("\n".join([good, "{", *map(json.dumps, [broken, no_pairs, *types])]))
    with pytest.raises(CombinedInputError) as raised:
        read_chains(path)
    assert [error.line for error in raised.value.errors] == [2, 3, 4, 5, 6]
    assert "c.jsonl:5: field 'id': must be a non-empty string (got 3)" in str(raised.value)
    assert "c.jsonl:6: field 'half': must be one of a, b or null (got 'q')" in str(raised.value)
    assert "must be one of wrong_label, near_copy, exact_copy" in str(raised.value)
    path.write_text("")
    with pytest.raises(InputError, match="the file is empty"):
        read_chains(path)
