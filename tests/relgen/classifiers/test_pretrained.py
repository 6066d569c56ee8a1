"""Loading masked language models: whole ones, ones without a head, and what cannot be used."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import DistilBertConfig, DistilBertForMaskedLM

from relgen.classifiers.pretrained import head_parts, load_masked_language_model, word_logits
from relgen.common.errors import InputError
from tests.tiny import language_model
from tests.tiny.encoders import pair_tokenizer as tokenizer
from tests.tiny.encoders import save_encoder, save_masked

pytestmark = pytest.mark.compute

FAMILIES = ["bert", "roberta"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_model_lacks_nothing(tmp_path, family, caplog):
    folder = save_masked(tmp_path, family=family)
    model, missing = load_masked_language_model(folder, "sdpa")
    assert missing == []
    assert caplog.text == ""
    saved = load_file(tmp_path / "model.safetensors")
    dense = {"bert": "cls.predictions.transform.dense", "roberta": "lm_head.dense"}[family]
    torch.testing.assert_close(
        dict(model.named_parameters())[f"{dense}.weight"], saved[f"{dense}.weight"]
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_missing_head_passes_the_normalised_state_on(tmp_path, family, capfd):
    model, missing = load_masked_language_model(save_encoder(tmp_path, family=family), "sdpa")
    assert len(missing) == 5
    assert "corrupted" not in capfd.readouterr().err
    states = 0.5 * torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    logits = states
    for part in head_parts(model):
        logits = part(logits)
    normalised = torch.nn.functional.layer_norm(states, (32,))
    expected = normalised @ model.get_input_embeddings().weight.T
    torch.testing.assert_close(logits, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_of_a_few_words_are_those_of_the_whole_vocabulary(tmp_path, family):
    model, _ = load_masked_language_model(save_masked(tmp_path, family=family), "sdpa")
    model.get_output_embeddings().bias.data.normal_()
    states = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    logits = states
    for part in head_parts(model):
        logits = part(logits)
    words = [7, 3, 30]
    found = word_logits(model, states, words, model.get_input_embeddings().weight[words])
    torch.testing.assert_close(found, logits[:, words])


def test_an_encoder_without_some_of_its_weights_is_refused(tmp_path):
    folder = save_masked(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    lost = "bert.encoder.layer.1.attention.self.query.weight"
    del weights[lost]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"lack weights of the encoder, such as {lost}"):
        load_masked_language_model(folder, "sdpa")


def test_models_that_do_not_fit_are_named_with_a_remedy(tmp_path):
    with pytest.raises(InputError, match=r"no such folder .*nothing"):
        load_masked_language_model(str(tmp_path / "nothing"), "sdpa")
    config = DistilBertConfig(vocab_size=80, dim=32, n_layers=1, n_heads=4, hidden_dim=64)
    DistilBertForMaskedLM(config).save_pretrained(tmp_path / "distil")
    with pytest.raises(InputError, match=r"one position alone.*distil.*roberta-large"):
        load_masked_language_model(str(tmp_path / "distil"), "sdpa")
    language_model("llama").save_pretrained(tmp_path / "llama")
    tokenizer().save_pretrained(tmp_path / "llama")
    with pytest.raises(InputError, match=r"not a masked language model.*llama.*roberta-large"):
        load_masked_language_model(str(tmp_path / "llama"), "sdpa")
    untied = save_masked(tmp_path / "untied", tied=False)
    with pytest.raises(InputError, match=r"output embeddings are not its input embeddings"):
        load_masked_language_model(untied, "sdpa")
