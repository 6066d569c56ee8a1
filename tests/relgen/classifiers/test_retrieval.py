"""RetrievalRE: what it stores, what it scores, and saving."""

import numpy as np
import pytest
import torch

import relgen
from relgen.classifiers.base import collate
from relgen.classifiers.knowprompt import KnowPromptClassifier
from relgen.classifiers.network import NetworkClassifier
from relgen.classifiers.retrieval import RetrievalClassifier
from relgen.classifiers.saved import save_classifier
from relgen.common.errors import InputError
from tests.tiny.encoders import SCHEMA, samples, save_masked

pytestmark = pytest.mark.compute


@pytest.fixture(params=["bert", "roberta"])
def model(tmp_path, request):
    return save_masked(tmp_path / "model", family=request.param)


def batch_of(classifier, chosen, targets=None):
    return collate(
        classifier.encoding.encode(chosen),
        pad_id=classifier.encoding.pad_id,
        labels=[SCHEMA.labels.index(sample.relation) for sample in chosen],
        targets=targets,
    )


def finished(model, stored=9, **options):
    """A classifier that knows some samples, the last one of them uncertain."""
    classifier = RetrievalClassifier(SCHEMA, model, max_length=48, **options)
    targets = [[]] * (stored - 1) + [[0.5, 0.3, 0.2]]
    whole = batch_of(classifier, samples(stored), targets)
    # in two batches, as a data loader gives them
    parts = [
        whole._replace(**{name: getattr(whole, name)[rows] for name in whole._fields})
        for rows in (slice(0, 4), slice(4, stored))
    ]
    classifier.finish(parts, None)
    return classifier


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def states_of(classifier, batch):
    network = classifier.language_model
    states = network.base_model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask
    ).last_hidden_state
    at_mask = batch.input_ids == classifier.encoding.tokenizer.mask_token_id
    return states[at_mask].detach().numpy()


def test_scores_against_numpy(model):
    classifier = finished(model, interpolation=0.3, neighbours=4, temperature=20.0).eval()
    keys = states_of(classifier, batch_of(classifier, samples(9)))
    values = np.eye(3)[np.arange(9) % 3]
    values[8] = 0.5, 0.3, 0.2
    batch = batch_of(classifier, samples(5, skip=12))
    classifier.train()
    lm = softmax(classifier(batch).detach().numpy())  # while it trains: the language model alone
    classifier.eval()
    found = classifier(batch).softmax(dim=-1).detach().numpy()
    for i, query in enumerate(states_of(classifier, batch)):
        d = ((keys - query) ** 2).sum(1)
        near = d.argsort()[:4]
        knn = (np.exp(-d[near] / 20)[:, None] * values[near]).sum(0)
        expected = 0.3 * knn / knn.sum() + 0.7 * lm[i]
        np.testing.assert_allclose(found[i], expected, rtol=1e-4)


def test_while_it_trains_it_is_knowprompt(model):
    ours = RetrievalClassifier(SCHEMA, model, max_length=48).eval()
    theirs = KnowPromptClassifier(SCHEMA, model, max_length=48).eval()
    batch = batch_of(ours, samples(5))
    targets = torch.eye(3)[batch.labels]
    for filled in (False, True):
        if filled:
            ours.finish([batch], None)
            ours.train()
            theirs.train()
        both = []
        for classifier in (ours, theirs):
            torch.manual_seed(0)
            both.append(classifier.with_extra_loss(batch, targets))
        torch.testing.assert_close(both[0], both[1])
    ours.eval()
    mixed, _ = ours.with_extra_loss(batch, targets)
    torch.testing.assert_close(mixed, ours(batch))
    assert not torch.allclose(mixed, both[0][0])
    ours.restart()
    assert not ours.finished
    torch.testing.assert_close(ours(batch), theirs.eval()(batch))


def test_it_learns_32_sentences_by_heart(tmp_path):
    torch.manual_seed(0)
    folder = save_masked(tmp_path / "model", family="roberta")
    classifier = RetrievalClassifier(SCHEMA, folder, max_length=48)
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
    classifier.finish([batch], None)
    assert classifier.training
    predicted = NetworkClassifier(classifier).predict_samples(chosen)
    assert [one.relation for one in predicted] == [sample.relation for sample in chosen]


def test_neighbours_alone_know_what_is_stored(model):
    # an untrained model with λ = 1 and k = 1 is a lookup
    classifier = finished(model, interpolation=1.0, neighbours=1, temperature=1.0)
    predicted = NetworkClassifier(classifier).predict_samples(samples(8))
    assert [one.relation for one in predicted] == [one.relation for one in samples(8)]
    assert all(one.score == 1.0 for one in predicted)


def test_predictions_are_the_same_after_loading(model, tmp_path):
    classifier = finished(model, interpolation=0.7, temperature=30.0)
    save_classifier(classifier, tmp_path / "saved")
    loaded = relgen.load_classifier(tmp_path / "saved")
    before = NetworkClassifier(classifier).predict_samples(samples(20), token_budget=100)
    assert loaded.predict_samples(samples(20), token_budget=100) == before
    assert len({prediction.score for prediction in before}) > 10
    assert loaded.classifier.config() == classifier.config()
    assert classifier.config()["retrieval"] == {
        "interpolation": 0.7,
        "neighbours": 64,
        "temperature": 30.0,
        "samples": 9,
        "source": "the published values",
        "trained": None,
    }
    card = (tmp_path / "saved" / "README.md").read_text()
    assert "nearest of 9 stored training samples: λ = 0.7, k = 64, T = 30" in card


def test_a_loaded_classifier_rounds(model, tmp_path):
    save_classifier(finished(model), tmp_path / "saved")
    exact, rounded = (
        relgen.load_classifier(tmp_path / "saved", precision=precision)
        for precision in ("float32", "bfloat16")
    )
    labels = [one.relation for one in exact.predict_samples(samples(20))]
    assert [one.relation for one in rounded.predict_samples(samples(20))] == labels


def test_settings_are_chosen_on_development_samples(model):
    classifier = RetrievalClassifier(SCHEMA, model, max_length=48)
    stored = batch_of(classifier, samples(9))
    classifier.finish([stored], None)
    assert classifier.datastore.retrieval == (0.2, 64, 10.0)
    # development samples that are stored: their own neighbours know them best
    classifier.finish([stored], [stored])
    chosen = classifier.datastore.retrieval
    assert (chosen.interpolation, chosen.neighbours) == (0.9, 1)
    assert classifier.config()["retrieval"]["source"] == "chosen on 9 development samples"
    given = RetrievalClassifier(SCHEMA, model, max_length=48, interpolation=0.4, neighbours=2)
    given.finish([stored], [stored])
    assert given.datastore.retrieval[:2] == (0.4, 2)


def test_settings_out_of_range_are_named(model):
    for name, value in (("interpolation", 1.5), ("neighbours", 0), ("temperature", 0.0)):
        with pytest.raises(InputError, match=rf"{name}.*{value}"):
            RetrievalClassifier(SCHEMA, model, **{name: value})
