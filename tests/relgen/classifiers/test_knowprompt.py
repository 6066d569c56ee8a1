"""The KnowPrompt classifier: its virtual words, scores, losses, and saving."""

import numpy as np
import pytest
import torch

import relgen
from relgen.classifiers.base import collate
from relgen.classifiers.knowprompt import KnowPromptClassifier
from relgen.classifiers.losses import impossible_roles, structured_loss
from relgen.classifiers.network import NetworkClassifier
from relgen.classifiers.saved import save_classifier
from relgen.data.samples import Entity, Sample
from tests.tiny.encoders import SCHEMA, TYPED, samples, save_encoder, save_masked
from tests.tiny.encoders import pair_tokenizer as tokenizer

pytestmark = pytest.mark.compute

FAMILIES = ["bert", "roberta"]


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def model(tmp_path, family):
    return save_masked(tmp_path / "model", family=family)


def batch_of(classifier, chosen):
    return collate(
        classifier.encoding.encode(chosen),
        pad_id=classifier.encoding.pad_id,
        labels=[SCHEMA.labels.index(sample.relation) for sample in chosen],
    )


def embeddings(classifier):
    return classifier.language_model.get_input_embeddings().weight.detach().numpy()


def test_virtual_words_start_as_the_paper_says(model):
    classifier = KnowPromptClassifier(TYPED, model)
    rows, encoding, words = embeddings(classifier), classifier.encoding, tokenizer()

    def mean(text):
        return np.mean([rows[words.convert_tokens_to_ids(word)] for word in text.split()], axis=0)

    names = ["cause effect", "cause effect reversed", "founded [UNK]", "[UNK] in", "no relation"]
    for row, name in zip(encoding.answer_ids, names, strict=True):
        np.testing.assert_allclose(rows[row], mean(name), rtol=1e-5)
    np.testing.assert_allclose(
        rows[encoding.type_ids["head"]], mean("organization person"), rtol=1e-5
    )
    np.testing.assert_allclose(
        rows[encoding.type_ids["tail"]], mean("person location country"), rtol=1e-5
    )


@pytest.mark.parametrize("spare", [0, 20])
def test_output_rows_are_the_input_rows(tmp_path, family, spare):
    classifier = KnowPromptClassifier(TYPED, save_masked(tmp_path, family=family, spare=spare))
    network = classifier.language_model
    assert network.get_output_embeddings().weight is network.get_input_embeddings().weight
    virtual = [*classifier.encoding.answer_ids, *classifier.encoding.type_ids.values()]
    assert not network.get_output_embeddings().bias[virtual].any()


def test_scores_are_the_whole_models_logits_at_the_mask(model):
    classifier = KnowPromptClassifier(SCHEMA, model).eval()
    batch = batch_of(classifier, samples(5))
    mask = classifier.encoding.tokenizer.mask_token_id
    everywhere = classifier.language_model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask
    ).logits  # (B, T, V)
    places = (batch.input_ids == mask).nonzero()
    assert places[:, 0].tolist() == [0, 1, 2, 3, 4]
    expected = everywhere[places[:, 0], places[:, 1]][:, classifier.encoding.answer_ids]
    torch.testing.assert_close(classifier(batch), expected, atol=1e-5, rtol=1e-5)


def test_scores_against_numpy(tmp_path):
    classifier = KnowPromptClassifier(SCHEMA, save_masked(tmp_path, family="roberta")).eval()
    batch = batch_of(classifier, samples(3))
    network = classifier.language_model
    states = network.roberta(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask
    ).last_hidden_state.detach()
    x = states[torch.arange(3), batch.positions[:, 0]].numpy()
    head = {name: value.numpy() for name, value in network.lm_head.state_dict().items()}
    x = x @ head["dense.weight"].T + head["dense.bias"]
    x = torch.nn.functional.gelu(torch.tensor(x)).numpy()
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    x = x * head["layer_norm.weight"] + head["layer_norm.bias"]
    expected = x @ embeddings(classifier)[classifier.encoding.answer_ids].T
    np.testing.assert_allclose(classifier(batch).detach().numpy(), expected, atol=1e-4)


def states_of(classifier, batch):
    return classifier.language_model.base_model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask
    ).last_hidden_state


def five(states, batch):
    return states[torch.arange(len(states))[:, None], batch.positions]


def test_the_extra_loss_is_the_weighted_structured_loss(model):
    classifier = KnowPromptClassifier(SCHEMA, model, structured_weight=0.5, margin=2.0).eval()
    batch = batch_of(classifier, samples(5))
    targets = torch.eye(3)[batch.labels]
    logits, extra = classifier.with_extra_loss(batch, targets)
    torch.testing.assert_close(logits, classifier(batch))
    answers = torch.tensor(embeddings(classifier)[classifier.encoding.answer_ids])
    expected = structured_loss(
        five(states_of(classifier, batch), batch),
        targets,
        answers,
        impossible_roles(SCHEMA),
        2.0,
    )
    torch.testing.assert_close(extra, 0.5 * expected)
    assert len({round(value, 4) for value in extra.tolist()}) == 5


def test_gradients_are_those_of_the_whole_model(model):
    def gradients(loss):
        classifier.zero_grad()
        loss.backward()
        return {n: p.grad.clone() for n, p in classifier.named_parameters() if p.grad is not None}

    classifier = KnowPromptClassifier(SCHEMA, model, structured_weight=0.5).eval()
    batch = batch_of(classifier, samples(5))
    targets = torch.eye(3)[batch.labels]
    logits, extra = classifier.with_extra_loss(batch, targets)
    found = gradients((logits * targets).sum() + extra.sum())

    network, words = classifier.language_model, classifier.encoding.answer_ids
    outputs = network(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        output_hidden_states=True,
    )
    extra = structured_loss(
        five(outputs.hidden_states[-1], batch),
        targets,
        network.get_input_embeddings().weight[words],
        impossible_roles(SCHEMA),
        0.3,
    )
    at_masks = outputs.logits[torch.arange(5), batch.positions[:, 0]][:, words]
    expected = gradients((at_masks * targets).sum() + 0.5 * extra.sum())
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-5, rtol=1e-4)


def test_padding_changes_nothing(model):
    classifier = KnowPromptClassifier(SCHEMA, model, max_length=48).eval()
    chosen = samples(6)
    together = classifier(batch_of(classifier, chosen))
    alone = torch.cat([classifier(batch_of(classifier, [one])) for one in chosen])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_every_parameter_gets_a_gradient(model):
    classifier = KnowPromptClassifier(SCHEMA, model)
    batch = batch_of(classifier, samples(3))
    logits, extra = classifier.with_extra_loss(batch, torch.eye(3)[batch.labels])
    (logits.sum() + extra.sum()).backward()
    assert [name for name, p in classifier.named_parameters() if p.grad is None] == []


def test_it_learns_32_sentences_by_heart(model):
    torch.manual_seed(0)
    classifier = KnowPromptClassifier(SCHEMA, model, max_length=48)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3)
    chosen = samples(32)
    batch = batch_of(classifier, chosen)
    targets = torch.eye(3)[batch.labels]
    for _ in range(60):
        logits, extra = classifier.with_extra_loss(batch, targets)
        loss = torch.nn.functional.cross_entropy(logits, batch.labels) + extra.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    predicted = NetworkClassifier(classifier).predict_samples(chosen)
    assert [one.relation for one in predicted] == [sample.relation for sample in chosen]


def test_predictions_are_the_same_after_loading(model, tmp_path):
    classifier = KnowPromptClassifier(SCHEMA, model, max_length=48, margin=0.7)
    save_classifier(classifier, tmp_path / "saved")
    loaded = relgen.load_classifier(tmp_path / "saved")
    before = NetworkClassifier(classifier).predict_samples(samples(20), token_budget=100)
    assert loaded.predict_samples(samples(20), token_budget=100) == before
    assert len({prediction.score for prediction in before}) > 10
    assert loaded.classifier.config() == classifier.config()
    assert loaded.classifier.encoding.key == classifier.encoding.key
    batch = batch_of(classifier, samples(5))
    targets = torch.eye(3)[batch.labels]
    classifiers = (classifier, loaded.classifier)
    assert torch.equal(*(built.with_extra_loss(batch, targets)[1] for built in classifiers))


def test_a_loaded_classifier_rounds(model, tmp_path):
    save_classifier(KnowPromptClassifier(SCHEMA, model), tmp_path / "saved")
    exact, rounded = (
        relgen.load_classifier(tmp_path / "saved", precision=precision)
        for precision in ("float32", "bfloat16")
    )
    labels = [one.relation for one in exact.predict_samples(samples(20))]
    assert [one.relation for one in rounded.predict_samples(samples(20))] == labels


@pytest.mark.parametrize(("family", "length"), [("bert", 64), ("roberta", 63)], indirect=["family"])
def test_inputs_are_no_longer_than_the_encoder_has_positions(model, length):
    classifier = KnowPromptClassifier(SCHEMA, model)
    assert classifier.encoding.max_length == length
    long = Sample("1", "crane " + "mud " * 300 + "arm", Entity(0, 5), Entity(1206, 1209), "part")
    batch = batch_of(classifier, [long])
    assert batch.input_ids.shape == (1, length)
    assert batch.input_ids[0, batch.positions[0, 0]] == classifier.encoding.tokenizer.mask_token_id
    assert classifier(batch).shape == (1, 3)


def test_dropout(tmp_path):
    folder = save_masked(tmp_path / "model", dropout=0.5)
    still = KnowPromptClassifier(SCHEMA, folder, encoder_dropout=0.0).train()
    batch = batch_of(still, samples(3))
    assert torch.equal(still(batch), still(batch))
    shipped = KnowPromptClassifier(SCHEMA, folder).train()
    assert not torch.equal(shipped(batch), shipped(batch))


def test_a_pre_trained_head_leaves_nothing_fresh(model):
    assert list(KnowPromptClassifier(SCHEMA, model).fresh_parameters()) == []


def test_a_head_that_is_missing_learns_faster(tmp_path):
    classifier = KnowPromptClassifier(SCHEMA, save_encoder(tmp_path / "encoder"))
    fresh = {id(parameter) for parameter in classifier.fresh_parameters()}
    names = {name for name, p in classifier.named_parameters() if id(p) in fresh}
    assert names == {
        f"language_model.cls.predictions.{name}"
        for name in (
            "bias",
            "transform.dense.weight",
            "transform.dense.bias",
            "transform.LayerNorm.weight",
            "transform.LayerNorm.bias",
        )
    }


def test_without_a_head_a_score_is_the_state_times_the_answer_word(tmp_path, family):
    folder = save_encoder(tmp_path / "encoder", family=family)
    classifier = KnowPromptClassifier(SCHEMA, folder).eval()
    batch = batch_of(classifier, samples(5))
    x = states_of(classifier, batch)[torch.arange(5), batch.positions[:, 0]].detach().numpy()
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    expected = x @ embeddings(classifier)[classifier.encoding.answer_ids].T
    np.testing.assert_allclose(classifier(batch).detach().numpy(), expected, atol=2e-3)
    assert np.ptp(expected, axis=0).min() > 0.05
