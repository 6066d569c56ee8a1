"""Drafts from vLLM's engine in this process: prefix caching, adapters as they are, our grammar.

The engine keeps what prompts have in common by itself, so that `show` only remembers them. Prompts
go in as the tokens of their segments, exactly as in tuning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedTokenizerBase
from vllm import LLM, SamplingParams
from vllm.lora.request import LoRARequest
from vllm.sampling_params import StructuredOutputsParams

from relgen.common import InputError, read_json
from relgen.generation.backends.base import Draft, DraftRequest, Finish, read_text, seed_of
from relgen.generation.backends.context_window import check_prompt, context_window
from relgen.generation.backends.vllm_settings import VllmSettings
from relgen.generation.settings import GenerationSettings
from relgen.models import find_adapter, resolve_model
from relgen.prompting import Prompt, encode

# the ranks for which vLLM has kernels
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)


class VllmBackend:
    """vLLM's offline engine.

    Args:
        settings: name the model, the adapter and how to sample.
        tokenizer: the model's.
        stop_ids: tokens that end a draft.

    Raises:
        InputError: the adapter cannot be used.
    """

    def __init__(
        self,
        settings: GenerationSettings,
        tokenizer: PreTrainedTokenizerBase,
        stop_ids: Sequence[int],
    ) -> None:
        self._settings = settings
        self._tokenizer = tokenizer
        self._stop_ids = list(stop_ids)
        self._prompts: dict[int, Prompt] = {}
        self._adapter = None
        engine: dict[str, Any] = {}
        if settings.adapter is not None:
            engine |= {"enable_lora": True, "max_lora_rank": _rank(Path(settings.adapter))}
            self._adapter = LoRARequest("relgen", 1, str(Path(settings.adapter).absolute()))
        if settings.quantization is not None:
            engine["quantization"] = "bitsandbytes"
        chosen = settings.vllm or VllmSettings()
        self._window = chosen.max_model_len
        if self._window is None:
            self._window = context_window(AutoConfig.from_pretrained(resolve_model(settings.model)))
        if chosen.max_model_len is not None:
            engine["max_model_len"] = chosen.max_model_len
        self._llm = LLM(
            model=resolve_model(settings.model),
            dtype=settings.dtype,
            seed=settings.seed,
            tensor_parallel_size=chosen.tensor_parallel,
            gpu_memory_utilization=chosen.gpu_memory,
            enable_prefix_caching=True,
            # the one that reads our dialect, llguidance's, as it is
            structured_outputs_config={"backend": "guidance"},
            **engine,
        )

    def show(self, prompts: Mapping[int, Prompt]) -> None:
        """Remembers the prompts. Raises InputError for one that leaves no room for a sample."""
        for prompt in prompts.values():
            check_prompt(len(self._tokens(prompt)), self._window, self._settings)
        self._prompts.update(prompts)

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """Hands all requests to the engine at once; it makes its own batches."""
        outputs = self._llm.generate(
            [{"prompt_token_ids": self._ids(request)} for request in requests],
            [self._sampling(request) for request in requests],
            use_tqdm=False,
            lora_request=self._adapter,
        )
        return [
            self._read(output.outputs[0], request)
            for output, request in zip(outputs, requests, strict=True)
        ]

    def forget(self) -> None:
        """Drops all chains."""
        self._prompts.clear()

    def close(self) -> None:
        """Drops all chains; the engine goes with the backend."""
        self.forget()

    def _ids(self, request: DraftRequest) -> list[int]:
        return self._tokens(self._prompts[request.chain])

    def _tokens(self, prompt: Prompt) -> list[int]:
        return [token for part in prompt.segments for token in encode(self._tokenizer, part)]

    def _sampling(self, request: DraftRequest) -> SamplingParams:
        settings, grammar = self._settings, request.grammar
        structure = None if grammar is None else StructuredOutputsParams(grammar=grammar.lark())
        return SamplingParams(
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k or -1,
            repetition_penalty=settings.repetition_penalty,
            seed=seed_of(request.key),
            max_tokens=request.max_tokens,
            stop_token_ids=self._stop_ids,
            logprobs=0,  # of the chosen tokens alone
            structured_outputs=structure,
        )

    def _read(self, output: Any, request: DraftRequest) -> Draft:
        finish: Finish = "length" if output.finish_reason == "length" else "stop"
        ids = list(output.token_ids)
        logprobs = [step[token].logprob for token, step in zip(ids, output.logprobs, strict=True)]
        pieces = [str(self._tokenizer.decode([token])) for token in ids]
        return read_text(output.text, finish, len(ids), pieces, logprobs, one_line=request.one_line)


def _rank(adapter: Path) -> int:
    """The least rank that vLLM knows and that an adapter fits in."""
    config = find_adapter(adapter)
    rank = int(read_json(config)["r"])
    fitting = next((known for known in _RANKS if known >= rank), None)
    if fitting is None:
        raise InputError(
            f"vLLM takes adapters of rank {_RANKS[-1]} at most",
            path=config,
            field="r",
            value=rank,
            remedy="merge it: relgen export --merge",
        )
    return fitting
