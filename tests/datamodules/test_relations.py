"""Which samples are trained on, which data is refused, and what the batches hold."""

import json
from dataclasses import replace

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import write_samples
from tests.datamodules.relation_data import made, sources
from tests.tiny.encoders import SCHEMA, samples
from tests.tiny.languages import BIRTHS_AND_JOBS, corpus


@pytest.mark.parametrize(
    ("mix", "expected"),
    [("human", {False}), ("pure", {True}), ("mix", {False, True}), (None, {False, True})],
)
def test_what_a_mix_trains_on(files, mix, expected):
    data = made(files, give=("human", "generated"), mix=mix)
    assert set.union(*sources(data)) == expected


def test_generated_samples_come_first(files):
    data = made(files, give=("human", "generated"), order="generated_first", generated_share=0.25)
    assert sources(data) == [{True}] * 5 + [{False}] * 5


def test_side_by_side_fills_half_of_every_batch_from_each_file(files):
    data = made(files, give=("human", "generated"), order="side_by_side")
    shares = [batch.generated.sum().item() for batch in data.train_dataloader()]
    assert shares == [3] * 10
    # one file alone is drawn from as always
    alone = made(files, give=("human", "generated"), mix="pure", order="side_by_side")
    assert sources(alone) == [{True}] * 10


def test_unlabelled_sentences_count_as_generated_ones_do(files):
    write_samples(files / "unlabelled.jsonl", samples(9, source="raw", skip=33))
    both = made(files, give=("human", "unlabelled"), mix="mix", order="side_by_side")
    assert [batch.generated.sum().item() for batch in both.train_dataloader()] == [3] * 10
    names = ("human", "generated", "unlabelled")
    all_three = made(files, give=names, mix="mix", order="side_by_side")
    batches = list(all_three.train_dataloader())
    assert [batch.generated.sum().item() for batch in batches] == [3] * 10
    written = {name for batch in batches for name in batch.ids}
    assert {name.partition("-")[0] for name in written} == {"human", "generated", "raw"}
    described = all_three.describe()["files"]
    assert {name: entry["samples"] for name, entry in described.items()} == {
        "human": 12,
        "generated": 12,
        "unlabelled": 9,
    }
    # the other mixes do without
    assert sources(made(files, give=names, mix="human")) == [{False}] * 10
    assert "unlabelled" not in made(files, give=names, mix="pure").describe()["files"]
    write_samples(files / "unlabelled.jsonl", samples(3, source="raw", skip=24))
    with pytest.raises(
        InputError, match=r"unlabelled\.jsonl: 3 training sentences are in the test set as well"
    ):
        made(files, give=(*names, "test"))


def test_what_people_wrote_and_reviewed_counts_as_human(files):
    first = SCHEMA.labels[0]
    read = {"scores": {first: 1.0}, "relation": first}
    mine, theirs = samples(2, source="generated", skip=30)
    raw, reviewed = samples(2, source="raw", skip=33)
    review = {"reviewer": "ann"}
    generated = [replace(mine, review=review), replace(theirs, review=review, source="generated")]
    write_samples(files / "generated.jsonl", generated)
    write_samples(
        files / "unlabelled.jsonl", [replace(raw, **read), replace(reviewed, **read, review=review)]
    )
    names = ("human", "generated", "unlabelled")
    described = made(files, give=names).describe()["files"]
    assert {name: entry["samples"] for name, entry in described.items()} == {
        "human": 14,
        "generated": 1,
        "unlabelled": 1,
    }
    data = made(files, give=names, batch_size=16, balanced=False)
    is_generated = {
        name: bool(flag)
        for batch in data.train_dataloader()
        for name, flag in zip(batch.ids, batch.generated.tolist(), strict=True)
    }
    assert {is_generated[one.id] for one in (mine, reviewed)} == {False}
    assert {is_generated[one.id] for one in (theirs, raw)} == {True}
    # one file alone is trained on as it is
    pure = made(files, give=("generated",), mix="pure").describe()["files"]
    assert {name: entry["samples"] for name, entry in pure.items()} == {"generated": 2}


@pytest.mark.parametrize("order", ["side_by_side", "generated_first"])
def test_all_sentences_may_be_reviewed(files, order: str):
    rows = [replace(one, review={"reviewer": "ann"}) for one in samples(3, skip=30)]
    write_samples(files / "unlabelled.jsonl", rows)
    data = made(files, give=("human", "unlabelled"), order=order, batch_size=4)
    seen = {name for batch in data.train_dataloader() for name in batch.ids}
    assert {one.id for one in rows} <= seen


def test_side_by_side_needs_room_for_both(files):
    data = made(files, give=("human", "generated"), order="side_by_side", batch_size=1)
    with pytest.raises(InputError, match="room for a sample from each"):
        data.train_dataloader()


def test_evaluation_sees_every_sample_once_longest_first(files):
    data = made(files, "test", give=("test",), evaluation_batch_size=4)
    batches = list(data.test_dataloader())
    ids = [sample_id for batch in batches for sample_id in batch.ids]
    assert sorted(ids) == sorted(data.sample_ids("test")) == [f"test-{n}" for n in range(24, 33)]
    lengths = [length for b in batches for length in b.attention_mask.sum(dim=1).tolist()]
    assert lengths == sorted(lengths, reverse=True)


def test_prediction_takes_the_test_file_and_any_label(files):
    other = [sample.with_relation("unheard of") for sample in samples(3)]
    write_samples(files / "predict.jsonl", other)
    data = made(files, "predict", give=("predict",))
    assert next(iter(data.predict_dataloader())).labels.tolist() == [-1, -1, -1]
    data = made(files, "predict", give=("test",))
    assert len(data.sample_ids("predict")) == 9


def test_prediction_takes_sentences_without_labels(files):
    rows = [sample.to_json() for sample in samples(3)]
    for row in rows:
        del row["relation"]
    path = files / "predict.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = made(files, "predict", give=("predict",))
    assert data.sample_ids("predict") == [row["id"] for row in rows]
    assert next(iter(data.predict_dataloader())).labels.tolist() == [-1, -1, -1]
    with pytest.raises(InputError, match=r"predict\.jsonl:1: field 'relation': missing"):
        made(files, human=str(path))


def test_truncated_texts_are_counted(files, caplog):
    long = samples(2)
    long = [
        type(one)(one.id, one.text + " one two three" * 4, one.head, one.tail, one.relation)
        for one in long
    ]
    write_samples(files / "human.jsonl", [*long, *samples(1, skip=2)])
    data = made(files, give=("human",))
    data.train_dataloader()
    assert data.truncated == {"human": 2}
    said = "2 of 3 texts of {} are longer than {} tokens (max_length, or what the encoder takes if"
    assert said.format(files / "human.jsonl", data._encoding.max_length) in caplog.text


def test_a_language_that_the_encoder_does_not_know_is_warned_of_once(files, caplog):
    data = made(files, give=("human", "generated"))
    data.train_dataloader()
    assert "multilingual" not in caplog.text
    BIRTHS_AND_JOBS.save(files / "schema.yaml")
    write_samples(files / "human.jsonl", corpus("German"))
    data = made(files, give=("human",))
    data.train_dataloader()
    said = (
        "the sentences are in German, which tiny hardly knows (its tokenizer does not know 87% of "
        "their tokens), so that results will be poor; use a multilingual model, such as "
        "FacebookAI/xlm-roberta-base"
    )
    assert [text for text in caplog.messages if "German" in text] == [said]
    data.fold(0, 2).train_dataloader()
    assert caplog.messages.count(said) == 1


def test_a_test_sentence_in_training_is_refused(files):
    (leak,) = samples(1, source="leak", skip=24)
    shouted = type(leak)("leak", leak.text.upper(), leak.head, leak.tail, leak.relation)
    write_samples(files / "human.jsonl", [*samples(12), shouted])
    with pytest.raises(InputError, match=r"human\.jsonl: 1 training sentence is.*'leak'.*on_leak"):
        made(files, give=("human", "test"))
    data = made(files, give=("human", "test"), on_leak="drop")
    assert data.leaked == {"human": 1}
    assert len(data.sample_ids("human")) == 12


def test_a_test_sentence_among_others_in_a_training_text_is_refused(files):
    (leak,) = samples(1, source="leak", skip=24)
    longer = replace(leak, id="leak", text=f"{leak.text} Nobody knew of it.")
    write_samples(files / "human.jsonl", [*samples(12), longer])
    with pytest.raises(InputError, match=r"1 training sentence is.*'leak'"):
        made(files, give=("human", "test"))


def test_a_generated_test_sentence_is_refused(files):
    write_samples(files / "generated.jsonl", samples(3, source="generated", skip=24))
    with pytest.raises(InputError, match=r"generated\.jsonl: 3 training sentences"):
        made(files, give=("human", "generated", "test"))


def test_where_the_data_came_from(files):
    described = made(files, give=("human", "generated")).describe()
    assert described["files"]["human"]["samples"] == 12
    assert len(described["files"]["generated"]["sha256"]) == 64
    assert described["files"]["generated"]["models"] == []


@pytest.mark.parametrize(
    ("name", "others"), [("test", "test"), ("human", "training"), ("generated", None), (None, None)]
)
def test_it_knows_what_the_validation_sentences_are_in(files, name, others):
    validation = None if name is None else str(files / f"{name}.jsonl")
    data = made(files, give=("human", "test"), validation=validation)
    assert data.validation_overlap() == others
