"""A model's window: texts that leave no room are refused before anything is read or written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import GPT2Config, LlamaConfig, LlamaForCausalLM

from relgen.common.errors import InputError
from relgen.generation.backends.base import DraftRequest
from relgen.generation.backends.transformers import TransformersBackend
from relgen.generation.run import generate
from relgen.generation.settings import GenerationSettings
from relgen.models.window import check_fits, context_window, model_window
from relgen.prompting.prompts import Prompt, encode, stop_ids
from tests import tiny
from tests.relgen.generation import conftest

pytestmark = pytest.mark.compute

TOKENIZER = tiny.chat_tokenizer()
STOPS = stop_ids(TOKENIZER, "<|end|>", lines=1)
inputs = conftest.inputs


def model(positions: int) -> LlamaForCausalLM:
    made = tiny.writing_model(len(TOKENIZER))
    made.config.max_position_embeddings = positions
    return made


def prompt(tokens: int) -> Prompt:
    """One of exactly so many tokens."""
    made = Prompt("x", ("x" * (tokens - 2),), "x", "<|end|>")
    assert sum(len(encode(TOKENIZER, part)) for part in made.segments) == tokens
    return made


def test_what_configurations_say() -> None:
    assert context_window(LlamaConfig(max_position_embeddings=128)) == 128
    stretched = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    assert context_window(LlamaConfig(max_position_embeddings=64, rope_scaling=stretched)) == 256
    assert context_window(LlamaConfig(max_position_embeddings=256, rope_scaling=stretched)) == 256
    # by convention it states one length or the other
    factor = {"rope_type": "linear", "factor": 4.0}
    assert context_window(LlamaConfig(max_position_embeddings=64, rope_scaling=factor)) is None
    check_fits(10**9, 1, None, model="m", remedy="none")


def test_a_window_is_read_without_weights(tmp_path: Path) -> None:
    GPT2Config(n_positions=48).save_pretrained(tmp_path)
    assert model_window(str(tmp_path)) == 48


def test_a_prompt_without_room_for_a_sample_is_refused_before_it_is_read() -> None:
    settings = GenerationSettings(model="tiny", max_new_tokens=28)
    backend = TransformersBackend(model(128), TOKENIZER, settings, STOPS)
    backend.prefill({0: prompt(100)})
    fed: list[int] = []
    backend._model.register_forward_pre_hook(lambda *_: fed.append(1))
    with pytest.raises(InputError, match="101 tokens and an answer of up to 28") as caught:
        backend.prefill({0: prompt(101)})
    assert "128 positions" in str(caught.value)
    assert "(got 'tiny'); give more `chains`" in str(caught.value)
    assert not fed


def test_an_answer_of_many_lines_ends_where_the_window_does() -> None:
    settings = GenerationSettings(mode="aao", max_new_tokens=20, temperature=0)
    backend = TransformersBackend(model(128), TOKENIZER, settings, [])
    backend.prefill({0: prompt(100)})
    request = DraftRequest(0, "k", max_tokens=400, one_line=False, grammar=None)
    (draft,) = backend.decode([request])
    assert (draft.tokens, draft.finish) == (28, "length")


def test_nothing_accepted_is_lost(inputs: conftest.Inputs, tmp_path: Path) -> None:
    folder = tiny.save_writing_model(tmp_path / "model")
    options = {
        "model": str(folder),
        "samples": 40,
        "temperature": 1.2,
        "max_new_tokens": 60,
        "min_words": 1,
        "max_entity_chars": 6,
        "max_entity_words": 1,
        "max_context_chars": 10,
        "other_scripts": "accept",
    }
    files = {"train": inputs.train, "schema": inputs.schema}
    out = tmp_path / "generated.jsonl"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 600}))
    for _ in range(2):  # going on ends at the same place
        with pytest.raises(InputError, match="600 positions that this model supports"):
            generate(GenerationSettings(**options), out=out, **files)
        journal = (tmp_path / ".generated.jsonl.journal.jsonl").read_text()
        assert journal.count("</tail>") > 2
