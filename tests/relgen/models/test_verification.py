"""Architectures that compute the same in relgen's layouts, and others, which are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    CONFIG_MAPPING,
    GptOssConfig,
    LlamaConfig,
    Phi3Config,
    PretrainedConfig,
    Qwen2Config,
    Qwen3_5Config,
)

from relgen.common.errors import InputError
from relgen.dpo.logps import tree_difference
from relgen.evaluation.direct.reader import direct_difference
from relgen.generation.backends.draft_cache import decoding_difference
from relgen.labelling.states import reading_difference
from relgen.models.verification import check_architecture, find_problem, small_model

pytestmark = pytest.mark.compute

USES: dict[str, Callable[[Any], Tensor]] = {
    "tune": tree_difference,
    "generate": decoding_difference,
    "label": reading_difference,
    "direct": direct_difference,
}
PAGE = Path(__file__).resolve().parents[3] / "docs" / "models.md"


def documented() -> dict[str, tuple[str, ...]]:
    """Return the rows of the page's table, by `model_type`."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = next(row for row in cells if row[1:] == list(USES))
    return {row[0].strip("`"): tuple(row[1:]) for row in cells[cells.index(heads) + 2 :]}


@pytest.mark.parametrize("family", documented())
def test_the_table_of_architectures(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELGEN_KERNELS", raising=False)  # one of them attends for drafts
    config = CONFIG_MAPPING[family]()
    found = tuple("no" if find_problem(config, use) else "yes" for use in USES.values())
    assert found == documented()[family]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    "config",
    [
        Qwen3_5Config(
            text_config={
                "num_hidden_layers": 2,
                "layer_types": ["linear_attention", "full_attention"],
            }
        ),
        LlamaConfig(rope_parameters={"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}),
        Phi3Config(
            rope_parameters={
                "rope_type": "longrope",
                "rope_theta": 1e4,
                "original_max_position_embeddings": 4096,
                "short_factor": [1.0] * 48,
                "long_factor": [2.0] * 48,
            }
        ),
    ],
    ids=["recurrent", "dynamic", "longrope"],
)
def test_layers_that_depend_on_the_text_around_are_refused(
    config: PretrainedConfig, use: str
) -> None:
    assert find_problem(config, USES[use])


def test_a_window_that_is_switched_off_is_none() -> None:
    assert not find_problem(Qwen2Config(sliding_window=8), tree_difference)


def test_the_refusal_names_the_model_before_weights_load(tmp_path: Path) -> None:
    CONFIG_MAPPING["xglm"]().save_pretrained(tmp_path)  # no weights
    with pytest.raises(InputError, match=r"generation does not support XGLM models") as refused:
        check_architecture(str(tmp_path), "generation", decoding_difference)
    assert refused.value.value == str(tmp_path)


def test_the_trainer_s_precision_does_not_count() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert not find_problem(LlamaConfig(), tree_difference)


def test_the_random_state_stays() -> None:
    state = torch.get_rng_state()
    find_problem(LlamaConfig(), reading_difference)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_small_model_is_small_and_the_configuration_stays() -> None:
    config = LlamaConfig(num_hidden_layers=80, num_key_value_heads=8)
    model = small_model(config)
    assert sum(weight.numel() for weight in model.parameters()) < 200_000
    assert (model.config.num_attention_heads, model.config.num_key_value_heads) == (4, 2)
    assert config.num_hidden_layers == 80


def test_windows_are_those_of_the_configuration() -> None:
    config = Qwen2Config(use_sliding_window=True, sliding_window=8, max_window_layers=0)
    assert not any(find_problem(config, use) for use in USES.values())


def test_a_family_whose_own_attention_does_more_is_refused() -> None:
    problem = find_problem(GptOssConfig(), USES["generate"])  # sinks
    assert "its layers compute something else in relgen's layout" in problem
