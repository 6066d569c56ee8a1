"""The number of chains at a time follows from the memory that is free."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.generation import chain_memory
from relgen.generation.chain_memory import ChainMemory
from relgen.generation.run import generate
from relgen.generation.settings import GenerationSettings
from relgen.generation.states import initial_states
from relgen.models.memory import ModelMemory
from relgen.prompting.prompts import PromptWriter, encode, prompt_format
from tests import tiny
from tests.relgen.generation.conftest import Inputs

MEMORY = ModelMemory(weights=1000, cached=10, activations=2, logits=4)


def test_bytes_of_chains() -> None:
    sizes = ChainMemory(tokens=100, rows=1, logits=3)
    assert sizes.needed(MEMORY, 0) == 2048 * 2 + 96 * 4 == 4480
    assert sizes.needed(MEMORY, 2) == 4480 + 2 * (1280 + 12)
    # 90% of 10,000, less the weights and 4,480, is enough for two
    assert sizes.at_once(MEMORY, 10_000) == 2
    assert sizes.at_once(MEMORY, 6_000) == 0


@pytest.mark.parametrize(
    ("changes", "grown", "most", "rows", "logits"),
    [
        ({}, 3, 96, 1, 3),
        ({"chains": 2, "candidates": 3}, 1, 96, 4, 7),
        ({"window": 1, "max_new_tokens": 20}, 1, 20, 1, 3),
        ({"mode": "aao"}, 0, 4 * 96, 1, 3),
    ],
)
def test_sizes_of_chains(
    changes: dict[str, Any], grown: int, most: int, rows: int, logits: int
) -> None:
    settings = GenerationSettings(samples=4, **changes)
    tokenizer = tiny.chat_tokenizer()
    writer = PromptWriter(prompt_format(tokenizer))
    states = initial_states(list(tiny.typed_schema()), tiny.labelled(), settings)
    asked = 4 if settings.mode == "aao" else 1
    prompts = [
        writer.prompt(state.relation, state.chains[0].demonstrations(settings), asked)
        for state in states
        if state.chains
    ]
    sizes = [[len(encode(tokenizer, text)) for text in prompt.segments] for prompt in prompts]
    shown = sum(size[1] for size in sizes) / len(sizes)
    found = ChainMemory.of(settings, states, writer, tokenizer)
    assert found == (max(map(sum, sizes)) + round(grown * shown) + most, rows, logits)


def write(inputs: Inputs, out: Path, **changes: Any) -> list[str]:
    values = {"samples": 2, "max_new_tokens": 40, "min_words": 1, "max_drafts_per_sample": 1}
    chosen = GenerationSettings(model=str(inputs.model), **{**values, **changes})
    out = out / "generated.jsonl"
    generate(chosen, train=inputs.train, schema=inputs.schema, out=out)
    return [json.loads(line)["raw"] for line in out.with_name("rejected.jsonl").open()] + [
        json.loads(line)["text"] for line in out.open()
    ]


def test_fewer_chains_where_memory_is_short(
    inputs: Inputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = write(inputs, tmp_path / "given", batch=1)
    assert "chains at a time" not in capsys.readouterr().err
    monkeypatch.setattr(ChainMemory, "at_once", lambda *_: 1)
    assert write(inputs, tmp_path / "chosen") == given
    assert "1 of 2 chains at a time, for which there is memory" in capsys.readouterr().err


def test_what_does_not_fit_is_refused_and_leaves_no_journal(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_memory, "free_memory", lambda device: 10_000)
    monkeypatch.setattr("relgen.models.memory.free_memory", lambda device: 10_000)
    with pytest.raises(InputError, match="GiB of memory left") as raised:
        write(inputs, tmp_path)
    assert "give each relation fewer --chains or --samples, try dtype: int8, or" in str(
        raised.value
    )
    with pytest.raises(InputError, match="fewer chains at a time"):
        write(inputs, tmp_path, batch=2)
