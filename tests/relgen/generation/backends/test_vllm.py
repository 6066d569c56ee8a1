"""The adapter to vLLM against a fake with vLLM's names and signatures: no GPU, no vLLM.

What only the real engine shows (its grammar backend, its kernels) is not tested here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import read_samples
from relgen.generation.run import generate
from relgen.generation.settings import GenerationSettings
from relgen.models.causal_lm import load_language_model, load_tokenizer
from relgen.models.lora import add_lora, save_adapter
from relgen.prompting.prompts import prompt_format
from tests.relgen.generation.conftest import Inputs
from tests.relgen.generation.loopback import sentence


@dataclass
class StructuredOutputsParams:
    """`vllm.sampling_params.StructuredOutputsParams`, of which one form is to be set."""

    json: Any = None
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None


@dataclass
class SamplingParams:
    """The parameters that relgen names, and their defaults in vLLM."""

    n: int = 1
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop_token_ids: list[int] | None = None
    max_tokens: int | None = 16
    logprobs: int | None = None
    structured_outputs: StructuredOutputsParams | None = None


@dataclass
class LoRARequest:
    """`vllm.lora.request.LoRARequest`."""

    lora_name: str
    lora_int_id: int
    lora_path: str = ""


@dataclass
class Logprob:
    """`vllm.logprobs.Logprob`."""

    logprob: float


@dataclass
class CompletionOutput:
    """`vllm.outputs.CompletionOutput`."""

    text: str
    token_ids: list[int]
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None


@dataclass
class RequestOutput:
    """`vllm.outputs.RequestOutput`."""

    outputs: list[CompletionOutput]


@dataclass
class LLM:
    """`vllm.LLM`; refuses what vLLM's constructor does not know."""

    model: str
    dtype: str = "auto"
    seed: int = 0
    quantization: str | None = None
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.9
    max_model_len: int | None = None
    enable_prefix_caching: bool = False
    enable_lora: bool = False
    max_lora_rank: int = 16
    structured_outputs_config: dict[str, Any] | None = None
    calls: list[dict[str, Any]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        ENGINES.append(self)

    def generate(
        self,
        prompts: list[dict[str, list[int]]],
        sampling_params: list[SamplingParams] | None = None,
        *,
        use_tqdm: bool = True,
        lora_request: LoRARequest | None = None,
    ) -> list[RequestOutput]:
        assert sampling_params is not None
        assert len(prompts) == len(sampling_params)
        self.calls.append({"prompts": prompts, "params": sampling_params, "lora": lora_request})
        return [RequestOutput([self._complete(params)]) for params in sampling_params]

    def _complete(self, params: SamplingParams) -> CompletionOutput:
        tokenizer = load_tokenizer(self.model)
        assert params.seed is not None
        ids = [*tokenizer(sentence(params.seed))["input_ids"], params.stop_token_ids[0]]
        assert params.max_tokens is not None
        cut, ids = len(ids) > params.max_tokens, ids[: params.max_tokens]
        logprobs = [{token: Logprob(-0.25)} for token in ids]
        text = tokenizer.decode(ids, skip_special_tokens=True)
        return CompletionOutput(text, ids, logprobs, "length" if cut else "stop")


ENGINES: list[LLM] = []


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    ENGINES.clear()
    contents = {
        "vllm": {"LLM": LLM, "SamplingParams": SamplingParams},
        "vllm.lora": {},
        "vllm.lora.request": {"LoRARequest": LoRARequest},
        "vllm.sampling_params": {"StructuredOutputsParams": StructuredOutputsParams},
    }
    for name, members in contents.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "relgen.generation.backends.vllm", raising=False)


def run(inputs: Inputs, out: Path, **changes: Any) -> dict[str, Any]:
    values = {"samples": 3, "chains": 2, "min_words": 1, "max_new_tokens": 200, **changes}
    settings = GenerationSettings(backend="vllm", model=str(inputs.model), **values)
    return generate(
        settings, train=inputs.train, schema=inputs.schema, out=out / "generated.jsonl"
    ).summary


def test_a_generation(inputs: Inputs, tmp_path: Path) -> None:
    summary = run(inputs, tmp_path, vllm={"tensor_parallel": 2, "max_model_len": 900})
    assert summary["accepted"] == 6
    samples = read_samples(tmp_path / "generated.jsonl")
    assert {s.provenance["mean_token_logprob"] for s in samples if s.provenance} == {-0.25}
    (engine,) = ENGINES
    assert (engine.tensor_parallel_size, engine.max_model_len) == (2, 900)
    assert engine.enable_prefix_caching
    first = engine.calls[0]
    params = first["params"][0]
    assert (params.temperature, params.top_p, params.top_k) == (0.4, 0.9, 20)
    assert (params.repetition_penalty, params.max_tokens) == (1.15, 200)
    assert params.structured_outputs.grammar.startswith("start: line")
    tokenizer = load_tokenizer(str(inputs.model))
    form = prompt_format(tokenizer)
    assert tokenizer.convert_tokens_to_ids(form.terminator) in params.stop_token_ids
    texts = [tokenizer.decode(prompt["prompt_token_ids"]) for prompt in first["prompts"]]
    assert all(t.startswith(form.opening) and t.endswith(form.cue) for t in texts)
    # one-by-one: what was accepted stands in the next prompt of its chain
    second = tokenizer.decode(engine.calls[1]["prompts"][0]["prompt_token_ids"])
    assert len(second) > len(texts[0])


def test_drafts_that_are_cut_off_are_rejected(inputs: Inputs, tmp_path: Path) -> None:
    summary = run(inputs, tmp_path, max_new_tokens=3)
    assert summary["accepted"] == 0
    assert set(summary["rejected"]) == {"unfinished"}


def test_prompts_beyond_the_engines_window_are_refused(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="beyond the 250 positions"):
        run(inputs, tmp_path, vllm={"max_model_len": 250})
    assert not ENGINES[0].calls
    with pytest.raises(InputError, match="beyond the 2048 positions"):
        run(inputs, tmp_path, max_new_tokens=2000)


def test_an_adapter_goes_to_the_engine_as_it_is(inputs: Inputs, tmp_path: Path) -> None:
    policy = add_lora(load_language_model(str(inputs.model)), rank=20)
    save_adapter(policy, tmp_path / "adapter", base_model=str(inputs.model))
    run(inputs, tmp_path, adapter=str(tmp_path / "adapter"), quantization="nf4")
    (engine,) = ENGINES
    assert (engine.enable_lora, engine.max_lora_rank) == (True, 32)
    assert engine.quantization == "bitsandbytes"
    assert engine.calls[0]["lora"].lora_path == str(tmp_path / "adapter")
    with pytest.raises(InputError, match="no adapter in this folder"):
        run(inputs, tmp_path / "other", adapter=str(tmp_path))


def test_without_vllm_the_remedy_is_named(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "vllm"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InputError, match=r"pip install 'relgen-re\[vllm\]'"):
        run(inputs, tmp_path)


def test_its_settings_go_with_it() -> None:
    with pytest.raises(InputError, match="set backend: vllm"):
        GenerationSettings(vllm={"tensor_parallel": 2})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"vllm.gpu_memory.*at most 1"):
        GenerationSettings(backend="vllm", vllm={"gpu_memory": 2})  # type: ignore[arg-type]
