"""Samples as token ids, their cache, and batches of them."""

from dataclasses import replace

import pytest
import torch

from relgen.classifiers.encoding import MarkerEncoding
from relgen.common.errors import InputError
from relgen.data.samples import write_samples
from relgen.data.schema import Relation, RelationSchema, load_schema
from tests.datamodules.relation_data import made
from tests.tiny.encoders import SCHEMA, samples


def test_scores_are_what_a_sample_is_trained_towards(files):
    labels = SCHEMA.labels
    scores = {labels[0]: 0.25, labels[-1]: 0.25}
    written = [
        replace(one, scores=scores, relation=labels[0])
        for one in samples(3, source="generated", skip=12)
    ]
    write_samples(files / "generated.jsonl", written)
    data = made(files, give=("human", "generated"), order="side_by_side")
    batch = next(iter(data.train_dataloader()))
    expected = [0.0] * len(labels)
    expected[0] = expected[-1] = 0.5  # scaled to a sum of 1
    for generated, target in zip(batch.generated, batch.targets, strict=True):
        assert target.tolist() == (expected if generated else [0.0] * len(labels))
    certain = made(files, give=("human",))
    assert next(iter(certain.train_dataloader())).targets.shape == (6, 0)


def test_a_relation_that_a_person_set_outweighs_the_scores(files):
    first, second, *_ = SCHEMA.labels
    scores, review = {first: 0.9, second: 0.1}, {"reviewer": "ann"}
    read, confirmed, changed = samples(3, source="generated")
    written = [
        replace(read, scores=scores, relation=first),
        replace(confirmed, scores=scores, relation=first, review=review),
        replace(changed, scores=scores, relation=second, review=review),
    ]
    write_samples(files / "generated.jsonl", written)
    data = made(files, give=("generated",), mix="pure", batch_size=3, balanced=False)
    batch = next(iter(data.train_dataloader()))
    rows = zip(batch.ids, batch.labels.tolist(), batch.targets.tolist(), strict=True)
    targets = {name: (label, target) for name, label, target in rows}
    assert targets[read.id][1][:2] == pytest.approx([0.9, 0.1])
    # no targets: the label counts alone
    assert targets[confirmed.id] == (0, [0.0] * len(SCHEMA))
    assert targets[changed.id] == (1, [0.0] * len(SCHEMA))


def test_a_batch(files):
    write_samples(files / "human.jsonl", samples(2))
    data = made(files, give=("human",), batch_size=2, balanced=False)
    batch = next(iter(data.train_dataloader()))
    row = batch.ids.index("human-0")
    text = data._encoding.decode(batch.input_ids[row].tolist())
    assert text == "[CLS] the [HEAD] storm [/HEAD] caused the [TAIL] flood [/TAIL] . [SEP]"
    assert batch.labels[row] == 0
    assert batch.positions[row].tolist() == [2, 7]
    assert batch.attention_mask.shape == batch.input_ids.shape
    assert batch.labels.dtype == torch.long


def test_tokens_are_cached_by_content_and_settings(files, monkeypatch):
    made(files, give=("human",)).train_dataloader()
    calls = []
    encode = MarkerEncoding.encode

    def counted(self, chosen):
        calls.append(len(chosen))
        return encode(self, chosen)

    monkeypatch.setattr(MarkerEncoding, "encode", counted)
    made(files, give=("human",)).train_dataloader()
    assert calls == []
    write_samples(files / "human.jsonl", samples(11))
    made(files, give=("human",)).train_dataloader()
    assert calls == [11]


@pytest.fixture
def directed(files):
    """A corpus in which one relation has two directions, and another none."""
    relations = (
        Relation("cause(e1,e2)", "The head brings about the tail.", undirected="cause"),
        Relation("cause(e2,e1)", "The tail brings about the head.", undirected="cause"),
        Relation("part", "The head is a part of the tail."),
    )
    schema = RelationSchema("tiny", relations, None)
    schema.save(files / "schema.yaml")
    names = {"cause": "cause(e1,e2)", "part": "part"}
    human = [
        replace(one, relation=names[one.relation]) for one in samples(12) if one.relation in names
    ]
    write_samples(files / "human.jsonl", human)
    write_samples(files / "test.jsonl", human[:3])
    return human


def test_exchange_trains_on_both_directions(files, directed):
    data = made(files, give=("human",), exchange=True, on_leak="drop", batch_size=16)
    rows = {
        name: (label, positions)
        for batch in data.train_dataloader()
        for name, label, positions in zip(
            batch.ids, batch.labels.tolist(), batch.positions.tolist(), strict=True
        )
    }
    forward = {one.id: one.relation for one in directed}
    turned = {name for name in rows if name.endswith("/exchanged")}
    assert turned == {f"{name}/exchanged" for name in forward if forward[name] == "cause(e1,e2)"}
    for name in turned:
        label, positions = rows[name]
        before, reading = rows[name.removesuffix("/exchanged")]
        assert (before, label) == (0, 1)
        assert positions == reading[::-1]
    assert rows.keys() - turned == forward.keys()


def test_relations_that_hold_in_one_direction_are_negative_in_the_other(files, directed):
    schema = load_schema(files / "schema.yaml")
    negative = (*schema.relations, Relation("none", "Nothing holds."))
    replace(schema, relations=negative, negative="none").save(files / "schema.yaml")
    labels = {}
    for exchange in (False, True):
        data = made(files, give=("human",), exchange=exchange, one_direction=True, on_leak="drop")
        batches = list(data.every_training_sample())
        found = {n: x for b in batches for n, x in zip(b.ids, b.labels.tolist(), strict=True)}
        labels[exchange] = {x for name, x in found.items() if name.endswith("/exchanged")}
        assert sum(x == 3 for x in found.values()) == sum(s.relation == "part" for s in directed)
    assert labels == {False: {3}, True: {1, 3}}  # none, and cause(e2,e1)


def test_one_direction_needs_a_negative_label(files, directed):
    with pytest.raises(InputError, match=r"data\.one_direction.*no negative label"):
        made(files, give=("human",), one_direction=True, on_leak="drop")


def test_what_is_tested_on_is_never_exchanged(files, directed):
    data = made(files, "test", give=("test",), exchange=True, one_direction=True)
    assert sorted(data.sample_ids("test")) == sorted(one.id for one in directed[:3])
    assert sum(len(batch.labels) for batch in data.test_dataloader()) == 3
