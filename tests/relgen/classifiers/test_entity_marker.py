"""The entity-marker classifier: what it reads, and how its markers start out."""

import dataclasses

import pytest
import torch

import relgen
from relgen.classifiers.base import collate
from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.saved import save_classifier
from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation, RelationSchema
from tests.tiny.encoders import SCHEMA, samples, save_encoder

pytestmark = pytest.mark.compute

TYPED = RelationSchema(
    "typed",
    (Relation("a", "x", ("PERSON",), ("PLACE", "PERSON")), Relation("b", "x")),
)


@pytest.fixture
def model(tmp_path):
    return save_encoder(tmp_path / "encoder")


def batch_of(classifier, chosen):
    return collate(classifier.encoding.encode(chosen), pad_id=classifier.encoding.pad_id)


def test_the_logits_come_from_the_states_of_both_opening_markers(model):
    classifier = EntityMarkerClassifier(SCHEMA, model).eval()
    batch = batch_of(classifier, samples(5))
    states = classifier.encoder(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask
    ).last_hidden_state
    markers = classifier.encoding.special_ids
    for row in range(5):
        places = [
            (batch.input_ids[row] == markers[m]).nonzero().item() for m in ("[HEAD]", "[TAIL]")
        ]
        joined = torch.cat([states[row, place] for place in places])
        torch.testing.assert_close(classifier(batch)[row], classifier.output(joined))


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_padding_changes_nothing(tmp_path, family):
    model = save_encoder(tmp_path / family, family=family)
    classifier = EntityMarkerClassifier(SCHEMA, model, max_length=48).eval()
    chosen = samples(6)
    together = classifier(batch_of(classifier, chosen))
    alone = torch.cat([classifier(batch_of(classifier, [one])) for one in chosen])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_a_marker_starts_as_the_mean_of_its_words(model):
    classifier = EntityMarkerClassifier(SCHEMA, model)
    tokenizer, markers = classifier.encoding.tokenizer, classifier.encoding.special_ids
    weight = classifier.encoder.get_input_embeddings().weight
    head, end = tokenizer.convert_tokens_to_ids(["head", "end"])
    torch.testing.assert_close(weight[markers["[HEAD]"]], weight[head])
    torch.testing.assert_close(weight[markers["[/HEAD]"]], (weight[head] + weight[end]) / 2)


def test_every_parameter_gets_a_gradient(model):
    classifier = EntityMarkerClassifier(SCHEMA, model)
    classifier(batch_of(classifier, samples(3))).sum().backward()
    assert [name for name, p in classifier.named_parameters() if p.grad is None] == []


def test_types_come_from_the_schema(model):
    classifier = EntityMarkerClassifier(TYPED, model, typed_markers=True)
    assert classifier.encoding.types == ("PERSON", "PLACE")
    assert "[TAIL:PLACE]" in classifier.encoding.special_ids


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("markers", ["special", "punctuation"])
def test_it_learns_32_sentences_by_heart(tmp_path, markers, typed):
    torch.manual_seed(0)
    folder = save_encoder(tmp_path / "encoder", extra=("@", "#", "*", "^"))
    schema = dataclasses.replace(
        SCHEMA, relations=(Relation("cause", "x", ("WALL",), ("CAR",)), *SCHEMA.relations[1:])
    )
    classifier = EntityMarkerClassifier(schema, folder, typed, markers, max_length=48, dropout=0.0)
    chosen = [
        dataclasses.replace(
            one,
            head=dataclasses.replace(one.head, type="WALL"),
            tail=dataclasses.replace(one.tail, type="CAR"),
        )
        for one in samples(32)
    ]
    batch = batch_of(classifier, chosen)
    # types take room as words between punctuation only: `* wall *` and `^ car ^`
    assert batch.input_ids.shape[1] == (20 if typed and markers == "punctuation" else 14)
    labels = torch.tensor([SCHEMA.labels.index(one.relation) for one in chosen])
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(classifier(batch), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    save_classifier(classifier, tmp_path / "saved")
    loaded = relgen.load_classifier(tmp_path / "saved")
    predicted = loaded.predict_samples(chosen)
    assert [one.relation for one in predicted] == [one.relation for one in chosen]
    assert loaded.classifier.encoding.key == classifier.encoding.key


@pytest.mark.weights
def test_minilm_knows_the_punctuation():
    built = EntityMarkerClassifier(SCHEMA, markers="punctuation")
    (encoded,) = built.encoding.encode(samples(1))
    assert built.encoding.decode(encoded.input_ids[1:5]) == "the @ storm @"


def test_an_unknown_model_is_named_with_a_remedy(tmp_path):
    with pytest.raises(InputError, match=r"nothing.*all-minilm-l6-v2"):
        EntityMarkerClassifier(SCHEMA, str(tmp_path / "nothing"))


@pytest.mark.parametrize(("family", "length"), [("bert", 64), ("roberta", 63)])
def test_inputs_are_no_longer_than_the_encoder_has_positions(tmp_path, family, length):
    model = EntityMarkerClassifier(SCHEMA, save_encoder(tmp_path, family=family), max_length=192)
    assert model.encoding.max_length == length
    long = Sample("1", "crane " + "mud " * 300 + "arm", Entity(0, 5), Entity(1206, 1209), "part")
    assert long.tail_text == "arm"
    batch = batch_of(model, [long])
    assert batch.input_ids.shape == (1, length)
    assert model(batch).shape == (1, 3)


def test_dropout_and_frozen_embeddings(tmp_path):
    folder = save_encoder(tmp_path / "encoder", dropout=0.5)
    classifier = EntityMarkerClassifier(
        SCHEMA, folder, dropout=0.0, encoder_dropout=0.0, freeze_embeddings=True
    ).train()
    batch = batch_of(classifier, samples(3))
    assert torch.equal(classifier(batch), classifier(batch))
    classifier(batch).sum().backward()
    frozen = {name for name, p in classifier.named_parameters() if p.grad is None}
    assert frozen == {"encoder.embeddings.word_embeddings.weight"}
    shipped = EntityMarkerClassifier(SCHEMA, folder, dropout=0.0).train()
    assert not torch.equal(shipped(batch), shipped(batch))


def test_eager_attention_gives_the_same_logits(model):
    ours, eager = (
        EntityMarkerClassifier(SCHEMA, model, attention=name).eval() for name in ("sdpa", "eager")
    )
    assert eager.encoder.config._attn_implementation == "eager"
    assert ours.encoder.config._attn_implementation == "sdpa"
    batch = batch_of(ours, samples(3))
    eager.output, eager.dropout = ours.output, ours.dropout
    torch.testing.assert_close(eager(batch), ours(batch), atol=1e-5, rtol=1e-5)
