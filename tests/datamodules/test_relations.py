"""Which samples are trained on, which data is refused, and what the batches hold."""

import json
from dataclasses import replace

import pytest
import torch
from lightning import Trainer

from datamodules.relations import RelationDataModule
from relgen.classifiers.encoding import MarkerEncoding
from relgen.common.errors import InputError
from relgen.data.samples import write_samples
from relgen.data.schema import Relation, RelationSchema
from tests.tiny.encoders import SCHEMA, samples, tokenizer


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def files(tmp_path):
    SCHEMA.save(tmp_path / "schema.yaml")
    write_samples(tmp_path / "human.jsonl", samples(12))
    write_samples(tmp_path / "generated.jsonl", samples(12, source="generated", skip=12))
    write_samples(tmp_path / "test.jsonl", samples(9, source="test", skip=24))
    return tmp_path


class _Classifier:
    encoding = MarkerEncoding(tokenizer(), max_length=16)


class _Module:
    classifier = _Classifier()


def made(files, stage="fit", max_steps=20, **options):
    names = {name: str(files / f"{name}.jsonl") for name in options.pop("give", ())}
    data = RelationDataModule(
        str(files / "schema.yaml"), **names, **{"steps_per_epoch": 10, "batch_size": 6, **options}
    )
    data.trainer = Trainer(
        accelerator="cpu", max_steps=max_steps, logger=False, enable_checkpointing=False
    )
    data.trainer.strategy._lightning_module = _Module()
    data.prepare_data()
    data.setup(stage)
    return data


def sources(data):
    return [set(batch.generated.tolist()) for batch in data.train_dataloader()]


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


def test_side_by_side_needs_room_for_both(files):
    data = made(files, give=("human", "generated"), order="side_by_side", batch_size=1)
    with pytest.raises(InputError, match="room for a sample from each"):
        data.train_dataloader()


def test_scores_are_what_a_sample_is_trained_towards(files):
    labels = SCHEMA.labels
    scores = {labels[0]: 0.25, labels[-1]: 0.25}
    written = [replace(one, scores=scores) for one in samples(3, source="generated", skip=12)]
    write_samples(files / "generated.jsonl", written)
    data = made(files, give=("human", "generated"), order="side_by_side")
    batch = next(iter(data.train_dataloader()))
    expected = [0.0] * len(labels)
    expected[0] = expected[-1] = 0.5  # scaled to a sum of 1
    for generated, target in zip(batch.generated, batch.targets, strict=True):
        assert target.tolist() == (expected if generated else [0.0] * len(labels))
    certain = made(files, give=("human",))
    assert next(iter(certain.train_dataloader())).targets.shape == (6, 0)


def test_one_most_probable_relation_is_enough_where_labels_are_probabilities(files):
    scores = dict.fromkeys(SCHEMA.labels, 1 / len(SCHEMA))
    label = SCHEMA.labels[0]
    written = [
        replace(one, scores=scores, relation=label) for one in samples(3, source="generated")
    ]
    write_samples(files / "generated.jsonl", written)
    assert sources(made(files, give=("generated",), mix="pure")) == [{True}] * 10


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
    assert "2 of 3 texts" in caplog.text


def test_a_test_sentence_in_training_is_refused(files):
    (leak,) = samples(1, source="leak", skip=24)
    shouted = type(leak)("leak", leak.text.upper(), leak.head, leak.tail, leak.relation)
    write_samples(files / "human.jsonl", [*samples(12), shouted])
    with pytest.raises(InputError, match=r"human\.jsonl: 1 training sentences.*'leak'.*on_leak"):
        made(files, give=("human", "test"))
    data = made(files, give=("human", "test"), on_leak="drop")
    assert data.leaked == {"human": 1}
    assert len(data.sample_ids("human")) == 12


def test_a_generated_test_sentence_is_refused(files):
    write_samples(files / "generated.jsonl", samples(3, source="generated", skip=24))
    with pytest.raises(InputError, match=r"generated\.jsonl: 3 training sentences"):
        made(files, give=("human", "generated", "test"))


def test_one_relation_is_not_enough(files):
    write_samples(files / "human.jsonl", samples(12)[::3])
    with pytest.raises(InputError, match=r"one relation only.*'cause'"):
        made(files, give=("human",))


def test_an_unknown_relation_is_named_with_its_line(files):
    first, second = samples(2)
    write_samples(files / "human.jsonl", [first, second.with_relation("prat")])
    with pytest.raises(InputError, match=r"human\.jsonl:2: .*'prat'.*did you mean part"):
        made(files, give=("human",))


def test_an_empty_file_is_refused(files):
    (files / "human.jsonl").write_text("")
    with pytest.raises(InputError, match=r"human\.jsonl: the file is empty"):
        made(files, give=("human",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"give": ("human",), "mix": "mix"}, r"`mix mix` needs a file of generated samples"),
        ({"give": ("human",), "mix": "pure"}, r"`mix pure` needs a file of generated samples"),
        ({"give": ("generated",), "mix": "human"}, r"`mix human` needs a file of human samples"),
        ({"give": ("human",), "order": "generated_first"}, r"`order generated_first` needs a file"),
        ({"give": ("test",)}, "no training samples"),
        ({"give": ("human",), "stage": "test"}, "`test` needs a samples file"),
        ({"give": ("human",), "stage": "validate"}, "`validate` needs .* --data.validation"),
        ({"give": ("human",), "stage": "predict"}, "`predict` needs a samples file"),
    ],
)
def test_missing_files_are_named(files, options, message):
    with pytest.raises(InputError, match=message):
        made(files, **options)


def test_where_the_data_came_from(files):
    described = made(files, give=("human", "generated")).describe()
    assert described["files"]["human"]["samples"] == 12
    assert len(described["files"]["generated"]["sha256"]) == 64
    assert described["files"]["generated"]["models"] == []


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


def test_what_is_tested_on_is_never_exchanged(files, directed):
    data = made(files, "test", give=("test",), exchange=True)
    assert sorted(data.sample_ids("test")) == sorted(one.id for one in directed[:3])
    assert sum(len(batch.labels) for batch in data.test_dataloader()) == 3


@pytest.mark.parametrize(
    ("name", "others"), [("test", "test"), ("human", "training"), ("generated", None), (None, None)]
)
def test_it_knows_what_the_validation_sentences_are_in(files, name, others):
    validation = None if name is None else str(files / f"{name}.jsonl")
    data = made(files, give=("human", "test"), validation=validation)
    assert data.validation_overlap() == others


class _Typed:
    encoding = MarkerEncoding(tokenizer(), types=["PERSON", "PLACE"], max_length=16)


class _TypedModule:
    classifier = _Typed()


def with_types(rows, head, tail):
    return [
        replace(row, head=replace(row.head, type=head), tail=replace(row.tail, type=tail))
        for row in rows
    ]


@pytest.mark.parametrize(
    ("human", "generated", "said"),
    [
        (("PERSON", "PLACE"), ("PERSON", None), "0 of 12 human, 12 of 12 generated samples"),
        (("PERSON", "PLACE"), ("PERSON", "FOOD"), "0 of 12 human, 12 of 12 generated samples"),
        (("PERSON", "PLACE"), ("PLACE", "PERSON"), None),
        ((None, None), (None, None), None),
    ],
)
def test_typed_markers_for_some_samples_only_are_said(files, caplog, human, generated, said):
    write_samples(files / "human.jsonl", with_types(samples(12), *human))
    rows = samples(12, source="generated", skip=12)
    write_samples(files / "generated.jsonl", with_types(rows, *generated))
    data = made(files, give=("human", "generated"))
    data.train_dataloader()
    assert "typed markers" not in caplog.text  # these markers name no types
    data.trainer.strategy._lightning_module = _TypedModule()
    data.train_dataloader()
    if said is None:
        assert "typed markers" not in caplog.text
    else:
        assert f"in {said}: typed markers distinguish these from the others" in caplog.text
