from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from datamodules.preferences import PreferenceDataModule
from relgen.common.errors import InputError
from relgen.dpo.preference_pairs import Chain, PreferencePair, write_chains
from relgen.dpo.prefix_tree import pack
from relgen.dpo.tokenize import tokenise_chain
from relgen.prompting.prompts import PromptWriter, prompt_format
from tests import tiny
from tests.tiny.languages import BIRTHS_AND_JOBS, corpus


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny.save_model(tmp_path / "base")
    write_chains(
        tmp_path / "chains.jsonl", [tiny.chain(n, name=f"cause#{n}") for n in (1, 2, 3, 4, 5)]
    )
    tiny.SCHEMA.save(tmp_path / "schema.yaml")
    return tmp_path


def prepared(folder: Path, **options) -> PreferenceDataModule:
    module = PreferenceDataModule(
        str(folder / "chains.jsonl"),
        str(folder / "schema.yaml"),
        model=str(folder / "base"),
        **{"max_length": 2048, **options},
    )
    module.prepare_data()
    module.setup("fit")
    return module


def test_constructor_reads_nothing():
    assert PreferenceDataModule("nowhere.jsonl", "nowhere.yaml").training is None


def test_batches_are_the_packed_chains(folder):
    loader = prepared(folder, token_budget=1).train_dataloader()
    batches = {batch.pairs: batch for batch in loader}
    assert sorted(batches) == [1, 2, 3, 4, 5]
    tokenizer = tiny.tokenizer()
    writer = PromptWriter(prompt_format(tokenizer))
    tokens = tokenise_chain(
        tiny.chain(3, name="cause#3"), tiny.SCHEMA["cause"], writer, tokenizer, max_length=2048
    )
    wanted = pack([tokens])
    assert torch.equal(batches[3].input_ids, wanted.input_ids)
    assert torch.equal(batches[3].target_positions, wanted.target_positions)
    assert batches[3].keys == wanted.keys


def test_token_budget_bounds_the_batches(folder):
    loader = prepared(folder, token_budget=900).train_dataloader()
    batches = list(loader)
    assert len(batches) == len(loader) < 5
    assert all(batch.tokens <= 900 for batch in batches)
    assert sum(batch.pairs for batch in batches) == 15


def test_epochs_differ_and_repeat_from_the_seed(folder):
    loader = prepared(folder, token_budget=1, seed=3).train_dataloader()
    again = prepared(folder, token_budget=1, seed=3).train_dataloader()
    orders = {}
    for epoch in (0, 1):
        for copy in (loader, again):
            copy.sampler.set_epoch(epoch)
        orders[epoch] = [batch.pairs for batch in loader]
        assert [batch.pairs for batch in again] == orders[epoch]
    assert orders[0] != orders[1]


def test_workers_change_nothing(folder):
    alone = [batch.keys for batch in prepared(folder, token_budget=1).train_dataloader()]
    helped = prepared(folder, token_budget=1, workers=1).train_dataloader()
    assert [batch.keys for batch in helped] == alone


def test_held_out_share_is_disjoint_and_not_empty(folder):
    module = prepared(folder, token_budget=1, validation_share=0.4)
    train = {key for batch in module.train_dataloader() for key in batch.keys}
    held_out = {key for batch in module.val_dataloader() for key in batch.keys}
    assert (len(train), len(held_out)) == (3, 2)
    assert not train & held_out


def test_no_validation_without_being_asked(folder):
    assert prepared(folder).val_dataloader() == []


def test_validation_chains_of_their_own(folder):
    write_chains(folder / "val.jsonl", [tiny.chain(2, name="part#0", relation="part")])
    module = prepared(folder, validation_chains=str(folder / "val.jsonl"))
    assert [batch.pairs for batch in module.val_dataloader()] == [2]


def test_prompt_settings_and_content_are_part_of_the_fingerprint(folder):
    def ids(**options) -> list[int]:
        return list(prepared(folder, **options).training[0]["prefix"])

    plain = ids()
    assert len(ids(diverse=False)) < len(plain)
    assert ids() == plain
    write_chains(folder / "chains.jsonl", [tiny.chain(1, relation="part")])
    assert ids() != plain


def test_cut_chains_are_counted(folder, caplog):
    module = prepared(folder, max_length=220)
    assert caplog.messages[-1] == (
        "longer than max_length=220: 2 of 5 chains, of which the last pairs are dropped (3); raise "
        "max_length to keep them"
    )
    assert sum(map(len, module.training["chosen"])) == 12


def test_a_language_that_the_model_does_not_know_is_warned_of(folder, caplog):
    prepared(folder)
    assert "multilingual" not in caplog.text
    BIRTHS_AND_JOBS.save(folder / "schema.yaml")
    first, second, *_, other = corpus("Russian")
    pair = PreferencePair(second, replace(other, relation="born_in"), "wrong_label")
    write_chains(folder / "chains.jsonl", [Chain("c", "born_in", first, (pair,))])
    prepared(folder)
    said = "the sentences are in Russian, which "
    assert [text.startswith(said) for text in caplog.messages].count(True) == 1


def test_chains_are_cut_to_the_models_window(folder, caplog):
    config = folder / "base" / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"max_position_embeddings": 220}))
    module = prepared(folder, max_length=1024)
    said = "longer than the 220 positions of this model: 2 of 5 chains, of which the last pairs"
    assert caplog.messages[-1].startswith(said)
    assert sum(map(len, module.training["chosen"])) == 12
    config.write_text(json.dumps(content | {"max_position_embeddings": 30}))
    with pytest.raises(InputError, match="more than the 30 positions of this model"):
        prepared(folder, max_length=1024)


def test_what_cannot_fit_and_bad_input_name_the_remedy(folder):
    with pytest.raises(InputError, match="set max_length to at least"):
        prepared(folder, max_length=30)
    with pytest.raises(InputError, match="cannot be combined with validation_chains"):
        PreferenceDataModule("a", "b", validation_chains="c", validation_share=0.1)
    with pytest.raises(InputError, match="leaves none for training"):
        prepared(folder, validation_share=0.95)
    write_chains(folder / "chains.jsonl", [tiny.chain(1, relation="unknown")])
    with pytest.raises(InputError, match="not a relation of schema 'tiny'"):
        prepared(folder)
